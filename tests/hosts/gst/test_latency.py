"""What the pipeline is told of latency, and when."""

import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from gi.repository import Gst
from gstharness import CAPS, MS, Harness, T, frame, stats, wait

from alanet_gst.engine import Cost, Engine
from alanet_gst.pace import Pace

Make = Callable[..., Harness]


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds go by."""
    now = time.monotonic_ns
    monkeypatch.setattr(time, "monotonic_ns", lambda: now() + 10 * Gst.SECOND)


def live(h: Harness, upstream: int = 0, *, qos: bool = False) -> Harness:
    """Live, and all frames made: the machine of a test may be busy, and the harness's clock stands still."""
    h.element.set_property("qos", qos)
    h.set_live(True)
    h.set_upstream_latency(upstream)
    return h.start()


@pytest.mark.parametrize(("window", "mode", "frames"), [(1, "joint", 1), (3, "joint", 1), (5, "joint", 2),
                                                       (3, "deblur", 1), (9, "deblur", 4)])  # fmt: skip
def test_the_answer_is_the_wait_for_the_lookahead_and_the_time_of_processing(
    harness: Make, window: int, mode: str, frames: int
) -> None:
    h = live(harness(window, mode=mode), 33 * MS)
    h.feed(range(frames + 1))
    mine = h.query_latency() - 33 * MS
    processing = mine - frames * T
    assert processing > 0
    assert h.stats()["latency"] == mine


def test_interpolate_of_a_live_stream_answers_half_a_frame_less(harness: Make) -> None:
    h = live(harness(5, mode="interpolate"))
    h.feed(range(3))
    assert 2 * T - T // 2 < h.query_latency() < 2 * T


def test_interpolate_of_a_live_stream_sends_the_input_without_waiting_for_the_next(harness: Make) -> None:
    h = live(harness(3, mode="interpolate"))
    h.feed([0])
    assert [b.pts for b in h.buffers()] == [0]
    h.feed([1])
    assert [b.pts for b in h.buffers()] == [T // 2, T]
    h.feed([2])
    assert [(b.pts, b.duration) for b in h.end()] == [(k * T // 2, T // 2) for k in (3, 4, 5)]


def test_before_caps_the_answer_is_upstreams(harness: Make) -> None:
    h = harness()
    h.set_upstream_latency(7 * MS)
    h.play()
    assert h.query_latency() == 7 * MS


def test_a_live_pipeline_hears_of_the_latency_at_caps_and_a_file_does_not_care(harness: Make) -> None:
    assert live(harness()).messages(Gst.MessageType.LATENCY)
    h = harness()
    h.set_live(False)
    h.start()
    assert not h.messages(Gst.MessageType.LATENCY)


def test_the_pipeline_hears_when_processing_has_drifted(harness: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    h = live(harness())
    h.feed(range(2))
    before = h.query_latency()
    h.messages(Gst.MessageType.LATENCY)
    monkeypatch.setattr(Pace, "processed", lambda self, _time, level: self._latency.processed(30 * MS, level))
    h.feed(range(2, 80))
    later(monkeypatch)
    h.feed([80])
    assert h.messages(Gst.MessageType.LATENCY)
    assert h.query_latency() > before + 20 * MS


def test_a_camera_that_sends_fewer_frames_than_its_caps_has_its_true_latency(
    harness: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = live(harness(qos=False))
    for k in range(80):
        h.push(frame(k, step=2 * T))
    later(monkeypatch)
    h.push(frame(80, step=2 * T))
    assert h.query_latency() >= 2 * T


def test_an_unknown_rate_is_measured(harness: Make) -> None:
    h = harness(qos=False)
    h.set_live(True)
    h.set_upstream_latency(0)
    h.start(CAPS.replace("25/1", "0/1"))
    assert h.query_latency() < T
    h.feed(range(2))
    h.push_event(Gst.Event.new_caps(Gst.Caps.from_string(CAPS.replace("25/1", "0/1").replace("32", "16"))))
    assert h.query_latency() >= T


def test_a_budget_bounds_the_answer(harness: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "warm_up", lambda *_: Cost(500 * MS, 500 * MS))
    assert live(harness()).query_latency() > 12 * T
    assert live(harness(), qos=True).query_latency() == 7 * T  # the wait, and the lag beyond which frames are dropped
    assert live(harness(latency_budget=55), qos=True).query_latency() == 55 * MS


def test_a_budget_below_the_wait_is_told_and_ignored(harness: Make) -> None:
    h = live(harness(latency_budget=30))
    warning = h.messages(Gst.MessageType.WARNING)[0].parse_warning()[0]
    assert "latency-budget must be at least 40 ms, the wait for the 1 frame(s) that follow, got 30" in warning.message


def test_a_live_pipeline_adds_it_to_the_sources(alanet_bin: str) -> None:
    pipeline = Gst.parse_launch(
        "videotestsrc is-live=true num-buffers=25 ! video/x-raw,format=I420,width=64,height=64,framerate=25/1 "
        f"! {alanet_bin} ! fakesink sync=true"
    )
    pipeline.set_state(Gst.State.PLAYING)
    wait(pipeline)
    query = Gst.Query.new_latency()
    assert pipeline.query(query)
    is_live, least, _ = query.parse_latency()
    pipeline_stats = stats(pipeline.get_by_name("n"))
    pipeline.set_state(Gst.State.NULL)
    assert is_live
    assert least == 40 * MS + pipeline_stats["latency"] + 20 * MS  # source, element, sink's processing-deadline
    assert pipeline_stats["latency"] > 40 * MS


def test_the_engine_brings_torch_after_what_its_threads_are_to_do() -> None:
    """OpenMP reads how long to wait awake when torch brings it: see alanet_core._patience."""
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    script = "import os, alanet_gst.engine; print(os.environ.get('GOMP_SPINCOUNT'))"
    run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == "1000\n"
