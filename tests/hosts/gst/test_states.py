"""States: weights loaded once, cycles without growth, ends in mid-frame, many pipelines in one process."""

import gc
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from gi.repository import Gst
from gstharness import Harness, frame, run, settle, stats, values, wait

import alanet_core as alanet
from alanet_gst import engine

Make = Callable[..., Harness]
SMALL = "video/x-raw,format=RGB,width=64,height=64,framerate=30/1"


def element(model: str, **properties: object) -> object:
    made = Gst.ElementFactory.make("alanet", None)
    for name, value in {"model": model, "device": "cpu", **properties}.items():
        made.set_property(name, value)
    return made


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that have been loaded, in order."""
    seen: list[str] = []
    load = alanet.load

    def counted(model: str, **how: object) -> alanet.Alanet:
        seen.append(Path(model).stem)
        return load(model, **how)  # type: ignore[arg-type]  # handed on as it came

    gc.collect()
    monkeypatch.setattr(alanet, "load", counted)
    return seen


def test_weights_are_loaded_once_on_the_way_to_ready_and_kept_until_null(
    identity: Callable[..., str], loads: list[str]
) -> None:
    one = element(identity())
    for state in (Gst.State.READY, Gst.State.PAUSED, Gst.State.READY, Gst.State.PLAYING, Gst.State.READY):
        one.set_state(state)
    assert loads == ["identity-3"]
    one.set_state(Gst.State.NULL)
    gc.collect()
    assert not [key for key in engine._loaded if key[0] == identity()]
    one.set_state(Gst.State.READY)
    assert loads == ["identity-3"] * 2
    one.set_state(Gst.State.NULL)


def test_elements_that_ask_for_the_same_network_share_it(identity: Callable[..., str], loads: list[str]) -> None:
    several = [element(identity()) for _ in range(5)] + [element(identity(), precision="fp32")]
    for one in several:
        one.set_state(Gst.State.READY)
    assert loads == ["identity-3"] * 2
    for one in several:
        one.set_state(Gst.State.NULL)


def test_another_model_set_in_ready_is_loaded_at_the_next_start(identity: Callable[..., str], loads: list[str]) -> None:
    one = element(identity())
    one.set_state(Gst.State.READY)
    one.set_property("model", identity(5))
    one.set_state(Gst.State.PAUSED)
    assert loads == ["identity-3", "identity-5"]
    one.set_state(Gst.State.NULL)


@pytest.mark.parametrize(("name", "value", "shown"), [("mode", "deblur", 1), ("scene-threshold", 0.0, 0.0)])
def test_a_setting_made_while_it_runs_waits_for_the_next_start(
    harness: Make, name: str, value: object, shown: object
) -> None:
    h = harness(scene_threshold=0.33).start()
    h.feed(range(2))
    h.element.set_property(name, value)
    h.set_src_caps_str("video/x-raw,format=GRAY8,width=16,height=8,framerate=25/1")  # a new stream is made for these
    for k, level in enumerate((20, 30, 230), 2):
        h.push(frame(k, size=128, value=level))
    assert values(h.end()) == [0, 5, 10, 10, 20, 25, 30, 30, 230, 230]  # a middle between the first two, then a cut
    assert h.element.get_property(name) == shown


def test_a_size_is_warmed_up_once(harness: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[object] = []
    real = engine._cost_of_one
    monkeypatch.setattr(engine, "_cost_of_one", lambda *a, **k: (timed.append(a), real(*a, **k))[1])
    h = harness().start()
    for width in (32, 16, 32, 16):
        h.set_src_caps_str(f"video/x-raw,format=GRAY8,width={width},height=8,framerate=25/1")
    assert len(timed) == 2


def rss() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_cycles_through_all_states_leave_no_error_and_no_growth(alanet_bin: str) -> None:
    pipeline = Gst.parse_launch(f"videotestsrc ! {SMALL} ! {alanet_bin} ! fakesink")
    rests = [Gst.State.NULL, Gst.State.READY, Gst.State.PAUSED]
    grown = []
    for cycle in range(24):
        pipeline.set_state(Gst.State.PLAYING)
        settle(pipeline)
        pipeline.set_state(rests[cycle % 3])
        settle(pipeline)
        gc.collect()
        grown.append(rss())
    pipeline.set_state(Gst.State.NULL)
    assert pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR) is None
    assert grown[-1] - grown[9] < 10e6


def test_playing_many_clips_does_not_grow(alanet_bin: str) -> None:
    line = f"videotestsrc num-buffers=12 ! {SMALL.replace('64', '144')} ! {alanet_bin} ! fakesink"
    for _ in range(3):
        run(line)
    gc.collect()
    start = rss()
    for _ in range(12):
        run(line)
    gc.collect()
    # Of each clip 24 frames of 60 kB go out: a leak of the buffers alone would be 20 MB.
    assert rss() - start < 8e6


def test_elements_are_freed(identity: Callable[..., str]) -> None:
    alive = []
    for _ in range(10):
        one, owner = element(identity()), Gst.Pipeline.new()
        owner.add(one)
        owner.set_state(Gst.State.READY)
        owner.set_state(Gst.State.NULL)
        alive.append(weakref.ref(one))
        del one, owner
    gc.collect()
    assert sum(reference() is not None for reference in alive) == 0


@pytest.mark.parametrize("target", [Gst.State.READY, Gst.State.NULL])
def test_a_stop_in_the_middle_of_a_frame_waits_for_that_frame_alone(
    alanet_bin: str, monkeypatch: pytest.MonkeyPatch, target: object
) -> None:
    inside, go_on, pushes = threading.Event(), threading.Event(), []
    push = alanet.AlanetStream.push

    def held(self: alanet.AlanetStream, *args: object, **how: object) -> object:
        pushes.append(how)
        if len(pushes) == 8:
            inside.set()
            assert go_on.wait(60)
        return push(self, *args, **how)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(alanet.AlanetStream, "push", held)
    pipeline = Gst.parse_launch(f"videotestsrc ! {SMALL} ! {alanet_bin} ! fakesink")
    pipeline.set_state(Gst.State.PLAYING)
    assert inside.wait(60)
    threading.Timer(0.2, go_on.set).start()
    pipeline.set_state(target)
    settle(pipeline)
    assert len(pushes) == 8
    assert pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR) is None
    pipeline.set_state(Gst.State.NULL)


def test_caps_that_change_all_the_time_leave_no_error(harness: Make) -> None:
    h = harness(5).start()
    sizes = [(32, 8), (7, 3), (1, 1), (64, 48)]
    for change in range(40):
        width, height = sizes[change % 4]
        h.set_src_caps_str(f"video/x-raw,format=GRAY8,width={width},height={height},framerate=25/1")
        stride = -(-width // 4) * 4
        for k in range(3):
            buffer = Gst.Buffer.new_allocate(None, stride * height, None)
            buffer.pts, buffer.duration = (3 * change + k) * 40_000_000, 40_000_000
            assert h.push(buffer) == Gst.FlowReturn.OK
    assert len(h.end()) == 240
    assert h.error() is None


def test_twenty_pipelines_play_in_one_process(identity: Callable[..., str]) -> None:
    line = (f"videotestsrc num-buffers=15 ! {SMALL} ! alanet name=n model={identity()} device=cpu scene-threshold=0 "
            "! fakesink sync=false")  # fmt: skip
    pipelines = [Gst.parse_launch(line) for _ in range(20)]
    for pipeline in pipelines:
        pipeline.set_state(Gst.State.PLAYING)
    for pipeline in pipelines:
        wait(pipeline, 120)
    counted = [stats(pipeline.get_by_name("n")) for pipeline in pipelines]
    for pipeline in pipelines:
        pipeline.set_state(Gst.State.NULL)
    assert [(one["frames-in"], one["sharp"], one["made"]) for one in counted] == [(15, 15, 14)] * 20


def test_two_in_a_row_quadruple_the_rate(alanet_bin: str) -> None:
    second = alanet_bin.replace("name=n", "name=m")
    pipeline = Gst.parse_launch(f"videotestsrc num-buffers=8 ! {SMALL} ! {alanet_bin} ! queue ! {second} ! fakesink")
    pipeline.set_state(Gst.State.PLAYING)
    wait(pipeline)
    last = pipeline.get_by_name("m")
    assert "framerate=(fraction)120/1" in last.get_static_pad("src").get_current_caps().to_string()
    assert stats(last)["frames-in"] == 16
    pipeline.set_state(Gst.State.NULL)


def test_pause_and_resume_of_a_live_pipeline_is_no_lateness(alanet_bin: str) -> None:
    pipeline = Gst.parse_launch(f"videotestsrc is-live=true ! {SMALL} ! {alanet_bin} ! fakesink sync=true qos=true")
    pipeline.set_state(Gst.State.PLAYING)
    time.sleep(0.5)
    pipeline.set_state(Gst.State.PAUSED)
    settle(pipeline)
    time.sleep(0.7)
    before = stats(pipeline.get_by_name("n"))["dropped"]
    pipeline.set_state(Gst.State.PLAYING)
    time.sleep(0.5)
    after = stats(pipeline.get_by_name("n"))["dropped"]
    pipeline.set_state(Gst.State.NULL)
    assert after - before <= 3
