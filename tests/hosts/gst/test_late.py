"""Too little time: quality gives way in the stated order, is counted, and is told on the bus."""

import time
from collections.abc import Callable

import pytest
from gi.repository import Gst
from gstharness import CAPS, MS, Harness, T, frame, kinds, settle, stats, times, values, wait

import alanet_core as alanet
from alanet_gst.qos import LAG_LIMIT, Level

Make = Callable[..., Harness]


def adds_up(now: dict[str, int], *, doubles: bool = True) -> bool:
    """The promise of the property `stats`."""
    out = now["sharp"] + now["passed"]
    halves = now["made"] + now["repeated"] == (out if doubles else 0)
    return halves and now["frames-in"] == out + now["dropped"] + now["flushed"] + now["held"]


def report(h: Harness, stamp: int, late: int) -> None:
    h.push_upstream_event(Gst.Event.new_qos(Gst.QOSType.UNDERFLOW, 2.0, late, stamp))


def quiet(h: Harness) -> Harness:
    """Not live, so that only QOS events tell of being late."""
    h.set_live(False)
    return h.start()


def levels(h: Harness) -> list[int]:
    """The quality that QOS messages tell."""
    return [message.parse_qos_values()[2] for message in h.messages(Gst.MessageType.QOS)]


@pytest.mark.parametrize(
    ("late", "level", "quality"),
    [(20, Level.FULL, None), (40, Level.REPEAT, 750_000), (70, Level.PASS, 500_000), (120, Level.BYPASS, 500_000),
     (400, Level.DROP, 0)],
)  # fmt: skip
def test_a_late_sink_lowers_the_level_as_far_as_it_asks(
    harness: Make, late: int, level: Level, quality: int | None
) -> None:
    h = quiet(harness())
    h.feed(range(3))
    h.messages(Gst.MessageType.QOS)
    report(h, 80 * MS, late * MS)
    h.feed([3])
    assert levels(h) == ([] if quality is None else [quality])
    assert h.stats()["late"] == (level is not Level.FULL)


def test_repeating_comes_first_and_deblurring_goes_on(harness: Make) -> None:
    h = quiet(harness())
    h.feed(range(3))
    report(h, 80 * MS, 40 * MS)
    h.feed(range(3, 12))
    out = h.end()
    assert times(out) == [20.0 * i for i in range(24)]
    # Frame 3 was expected one period late: pair 2, due then, has no middle; five calm frames later all is well.
    assert values(out)[:14] == [0, 5, 10, 15, 20, 20, 30, 30, 40, 40, 50, 50, 60, 60]
    assert values(out)[14:] == [70, 75, 80, 85, 90, 95, 100, 105, 110, 110]
    now = h.stats()
    assert adds_up(now)
    assert (now["sharp"], now["passed"], now["late"]) == (12, 0, 5)


def test_passing_through_hands_on_the_input_itself(harness: Make) -> None:
    h = quiet(harness())
    h.feed(range(3))
    h.buffers()
    report(h, 80 * MS, 70 * MS)
    h.feed([3])
    two = h.buffers()
    assert [b.pts for b in two] == [2 * T, 2 * T + T // 2]
    assert hash(two[0].peek_memory(0)) == hash(two[1].peek_memory(0))
    h.end()
    assert adds_up(h.stats())
    assert h.stats()["passed"] >= 1


def test_the_network_sleeps_and_wakes_without_mixing_frames(harness: Make) -> None:
    h = quiet(harness())
    h.feed(range(3))
    report(h, 80 * MS, 120 * MS)
    h.feed(range(3, 10))
    assert h.buffers_in_queue() == 18
    h.feed(range(10, 24))
    out = h.end()
    assert times(out) == [20.0 * i for i in range(48)]
    sharp = values(out)[::2]
    assert sharp == [10 * k for k in range(24)]
    middles = values(out)[1::2]
    assert all(middles[k] in {10 * k, 10 * k + 5} for k in range(23))
    assert middles[20:23] == [205, 215, 225]
    assert adds_up(h.stats())


def test_dropped_frames_lengthen_the_frame_before(harness: Make) -> None:
    h = quiet(harness())
    h.feed(range(3))
    report(h, 80 * MS, 400 * MS)
    h.feed(range(3, 15))
    out = h.end()
    now = h.stats()
    assert now["dropped"] > 0
    assert adds_up(now)
    assert len(out) == 2 * (15 - now["dropped"])
    ends = [b.pts + b.duration for b in out[:-1]]
    assert ends == [b.pts for b in out[1:]]


@pytest.mark.parametrize("mode", ["joint", "deblur", "interpolate"])
def test_every_mode_adds_up_under_changing_lateness(harness: Make, mode: str) -> None:
    h = quiet(harness(mode=mode))
    for k in range(25):
        if k % 8 == 4:
            report(h, k * T, (k * 7 % 50) * 10 * MS)
        h.push(frame(k))
        assert adds_up(h.stats(), doubles=mode != "deblur")
    h.end()
    now = h.stats()
    assert adds_up(now, doubles=mode != "deblur")
    assert now["late"] > 0


def test_interpolate_never_touches_the_input_however_late(harness: Make) -> None:
    h = quiet(harness(mode="interpolate"))
    sent = [frame(k) for k in range(20)]
    memories = {hash(b.peek_memory(0)) for b in sent}
    report(h, 0, 100 * MS)
    for buffer in sent:
        h.push(buffer)
    assert all(hash(b.peek_memory(0)) in memories for b in h.end()[::2])


def test_without_qos_nothing_gives_way(harness: Make) -> None:
    h = quiet(harness(qos=False))
    h.feed(range(3))
    report(h, 80 * MS, 400 * MS)
    h.feed(range(3, 8))
    assert values(h.end()) == [*range(0, 71, 5), 70]
    assert h.stats()["late"] == 0


def test_qos_can_be_switched_while_it_runs(harness: Make) -> None:
    h = quiet(harness(qos=False))
    h.feed(range(3))
    report(h, 80 * MS, 40 * MS)
    h.feed([3])
    h.element.set_property("qos", True)
    report(h, 120 * MS, 40 * MS)
    h.feed([4])
    assert h.stats()["late"] == 1


def test_what_was_known_of_lateness_ends_with_a_flush(harness: Make) -> None:
    h = quiet(harness())
    h.feed(range(3))
    report(h, 80 * MS, 400 * MS)
    h.flush()
    h.segment()
    h.feed(range(4))
    assert h.stats()["late"] == 0


def test_qos_messages_tell_place_lateness_and_counts(harness: Make) -> None:
    h = quiet(harness())
    h.feed(range(3))
    report(h, 80 * MS, 40 * MS)
    h.feed([3])
    message = h.messages(Gst.MessageType.QOS)[0]
    _, running, stream, stamp, duration = message.parse_qos()
    assert (running, stream, stamp, duration) == (3 * T, 3 * T, 3 * T, T)
    assert message.parse_qos_values()[0] == 40 * MS + 3 * T // 2
    assert message.parse_qos_stats() == (Gst.Format.BUFFERS, 3, 1)


def test_a_live_source_that_queues_up_is_seen_by_the_clock(harness: Make) -> None:
    h = harness()
    h.set_live(True)
    h.start(CAPS.replace("25/1", "1/1"))
    clock = h.get_testclock()
    for k in range(4):
        clock.set_time(k * Gst.SECOND)
        h.push(frame(k, step=Gst.SECOND))
    assert h.stats()["late"] == 0
    clock.set_time(int((4 + 2 + LAG_LIMIT + 1) * Gst.SECOND))  # 2 s and a little are the latency told
    h.push(frame(4, step=Gst.SECOND))
    assert h.stats()["dropped"] == 1


def test_a_budget_gives_up_quality_for_latency(harness: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_down(monkeypatch, {"full": 0.03, "sharp": 0.02, "none": 0.0})
    h = quiet(harness(latency_budget=50))
    h.feed(range(12))
    h.end()
    now = h.stats()
    assert now["passed"] > 0
    assert now["dropped"] == 0
    assert adds_up(now)


def slow_down(monkeypatch: pytest.MonkeyPatch, costs: dict[str, float]) -> None:
    """Make every push of the network take so many seconds, by its effort."""
    push = alanet.AlanetStream.push

    def slow(self: alanet.AlanetStream, *args: object, **how: object) -> object:
        time.sleep(costs[str(how.get("effort", "full"))])
        return push(self, *args, **how)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(alanet.AlanetStream, "push", slow)


@pytest.mark.parametrize("slowness", [2, 5])
@pytest.mark.parametrize("sink", ["fakesink sync=true qos=true", "fakesink sync=false", "fakesink sync=true qos=false"])
def test_a_network_too_slow_for_a_live_source_has_a_bounded_lag(
    alanet_bin: str, monkeypatch: pytest.MonkeyPatch, slowness: int, sink: str
) -> None:
    period = 1 / 30
    slow_down(monkeypatch, {"full": slowness * period, "sharp": 0.6 * slowness * period, "none": 0.15 * period})
    pipeline = Gst.parse_launch(
        "videotestsrc is-live=true num-buffers=60 ! video/x-raw,format=GRAY8,width=32,height=32,framerate=30/1 "
        f"! queue max-size-buffers=0 max-size-bytes=0 max-size-time=0 ! {alanet_bin} ! {sink} name=s"
    )
    lags: list[int] = []

    def passed(_pad: object, info: object) -> object:
        now = pipeline.get_clock().get_time() - pipeline.get_base_time()
        lags.append(now - info.get_buffer().pts)  # type: ignore[attr-defined]  # gi ships no types
        return Gst.PadProbeReturn.OK

    pipeline.get_by_name("n").get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, passed)
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    now = stats(pipeline.get_by_name("n"))
    pipeline.set_state(Gst.State.NULL)
    assert message.type == Gst.MessageType.EOS
    assert now["frames-in"] == 60
    assert now["late"] > 0
    assert adds_up(now)
    assert len(lags) == 2 * (60 - now["dropped"])
    # Without a bound the last frame would lag by 60 (slowness - 1) periods: 2 s or 8 s.
    assert max(lags[-20:]) < 1.3 * Gst.SECOND


@pytest.mark.parametrize(
    ("full", "sharp", "enough"), [(0.020, 0.015, "made"), (0.100, 0.066, "sharp")], ids=["fast", "slow"]
)
def test_a_live_source_gets_the_best_that_the_time_allows(
    alanet_bin: str, monkeypatch: pytest.MonkeyPatch, full: float, sharp: float, enough: str
) -> None:
    slow_down(monkeypatch, {"full": full, "sharp": sharp, "none": 0.005})
    pipeline = Gst.parse_launch(
        "videotestsrc is-live=true num-buffers=150 ! video/x-raw,format=GRAY8,width=32,height=32,framerate=30/1 "
        f"! queue ! {alanet_bin} ! queue ! fakesink sync=true qos=true"
    )
    pipeline.set_state(Gst.State.PLAYING)
    wait(pipeline)
    now = stats(pipeline.get_by_name("n"))
    pipeline.set_state(Gst.State.NULL)
    assert now["frames-in"] == 150
    assert adds_up(now)
    # All middles; or every third frame sharp. A busy test machine may take half of that, but not nearly all.
    assert now[enough] >= {"made": 75, "sharp": 20}[enough]


def test_file_to_file_never_gives_way_however_slow(alanet_bin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_down(monkeypatch, {"full": 0.02, "sharp": 0.01, "none": 0.0})
    pipeline = Gst.parse_launch(
        "videotestsrc num-buffers=30 ! video/x-raw,format=GRAY8,width=32,height=32,framerate=100/1 "
        f"! {alanet_bin} ! filesink location=/dev/null"
    )
    pipeline.set_state(Gst.State.PLAYING)
    settle(pipeline)
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    now = stats(pipeline.get_by_name("n"))
    pipeline.set_state(Gst.State.NULL)
    assert message.type == Gst.MessageType.EOS
    assert (now["sharp"], now["late"]) == (30, 0)


def test_qos_events_go_on_to_upstream(harness: Make) -> None:
    h = quiet(harness())
    h.feed(range(2))
    h.upstream_events()
    report(h, 0, 40 * MS)
    assert kinds(h.upstream_events()) == ["qos"]


def test_counts_add_up_at_any_moment(alanet_bin: str) -> None:
    pipeline = Gst.parse_launch(
        "videotestsrc num-buffers=600 ! video/x-raw,format=GRAY8,width=16,height=16,framerate=30/1 "
        f"! {alanet_bin} ! fakesink sync=false"
    )
    element, bus = pipeline.get_by_name("n"), pipeline.get_bus()
    pipeline.set_state(Gst.State.PLAYING)
    looks = 0
    while bus.pop_filtered(Gst.MessageType.EOS | Gst.MessageType.ERROR) is None:
        assert adds_up(stats(element))
        looks += 1
    pipeline.set_state(Gst.State.NULL)
    assert looks > 50
