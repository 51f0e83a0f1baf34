"""Events: what drains, what flushes, what keeps its place, and both directions of play."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from gi.repository import Gst
from gstharness import CAPS, MS, NONE, Harness, T, frame, kinds, pull, run, settle, times, values

Make = Callable[..., Harness]


def test_eos_drains_and_comes_last(harness: Make) -> None:
    h = harness(9).start()
    h.feed(range(3))
    assert h.buffers_in_queue() == 0
    assert len(h.end()) == 6
    assert kinds(h.events())[-1] == "eos"


@pytest.mark.parametrize("event", ["segment-done", "stream-group-done", "gap", "stream-start"])
def test_events_that_end_a_run_of_frames_drain_first(harness: Make, event: str) -> None:
    h = harness(9).start()
    h.feed(range(3))
    h.push_event(
        {
            "segment-done": lambda: Gst.Event.new_segment_done(Gst.Format.TIME, 0),
            "stream-group-done": lambda: Gst.Event.new_stream_group_done(1),
            "gap": lambda: Gst.Event.new_gap(120 * MS, 400 * MS),
            "stream-start": lambda: Gst.Event.new_stream_start("another"),
        }[event]()
    )
    assert h.buffers_in_queue() == 6
    assert kinds(h.events())[-1] == event


def test_after_a_gap_frames_begin_anew(harness: Make) -> None:
    h = harness().start()
    h.feed(range(3))
    h.push_event(Gst.Event.new_gap(120 * MS, 400 * MS))
    h.feed([13])
    out = h.end()
    assert times(out) == [0, 20, 40, 60, 80, 100, 520, 540]
    assert values(out)[4:] == [20, 20, 130, 130]
    assert out[6].has_flags(Gst.BufferFlags.DISCONT)


def test_after_a_gap_frames_without_timestamps_are_counted_from_its_end(harness: Make) -> None:
    h = harness().start()
    h.feed(range(2), stamped=False)
    h.push_event(Gst.Event.new_gap(80 * MS, 400 * MS))
    h.feed([2], stamped=False)
    assert times(h.end()) == [0, 20, 40, 60, 480, 500]


def test_a_marked_jump_is_not_interpolated_across(harness: Make) -> None:
    h = harness().start()
    h.feed(range(3))
    jumped = frame(20)
    jumped.set_flags(Gst.BufferFlags.DISCONT)
    h.push(jumped)
    out = h.end()
    assert times(out) == [0, 20, 40, 60, 80, 100, 800, 820]
    assert values(out)[4:] == [20, 20, 200, 200]
    assert [b.has_flags(Gst.BufferFlags.DISCONT) for b in out] == [True, *[False] * 5, True, False]


def test_a_discontinuity_without_a_jump_is_handed_on_and_interpolated_across(harness: Make) -> None:
    h = harness().start()
    h.feed(range(2))
    marked = frame(2)
    marked.set_flags(Gst.BufferFlags.DISCONT)
    h.push(marked)
    h.feed([3])
    out = h.end()
    assert values(out) == [0, 5, 10, 15, 20, 25, 30, 30]
    assert [b.has_flags(Gst.BufferFlags.DISCONT) for b in out] == [True, *[False] * 3, True, *[False] * 3]


def test_time_that_runs_backwards_is_a_new_beginning(harness: Make) -> None:
    h = harness().start()
    h.feed([5, 6, 2, 3])
    out = h.end()
    assert times(out) == [200, 220, 240, 260, 80, 100, 120, 140]
    assert values(out) == [50, 55, 60, 60, 20, 25, 30, 30]


def test_a_flush_drops_what_is_held_and_counts_it(harness: Make) -> None:
    h = harness(5).start()
    h.feed(range(5))
    assert len(h.buffers()) == 6
    h.flush()
    h.segment()
    h.feed(range(50, 54), value=7)
    out = h.end()
    assert times(out) == [2000 + 20 * i for i in range(8)]
    assert set(values(out)) == {7}
    assert out[0].has_flags(Gst.BufferFlags.DISCONT)
    now = h.stats()
    assert (now["frames-in"], now["sharp"], now["flushed"], now["held"]) == (9, 7, 2, 0)


def test_a_flush_keeps_what_is_sticky_and_drops_the_rest(harness: Make) -> None:
    h = harness(5).start()
    h.feed(range(2))
    h.push_event(Gst.Event.new_tag(Gst.TagList.new_from_string('taglist,title=(string)"t"')))
    h.push_event(Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM, Gst.Structure.new_empty("x")))
    h.flush()
    h.segment()
    h.events()
    h.feed(range(2))
    assert kinds(h.events()) == []
    h.feed([2])
    assert kinds(h.events()) == ["tag"]


def test_an_event_behind_the_last_frame_comes_before_eos(harness: Make) -> None:
    h = harness(5).start()
    h.feed(range(2))
    h.push_event(Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM, Gst.Structure.new_empty("x")))
    h.end()
    assert kinds(h.events())[-2:] == ["custom-downstream", "eos"]


def test_a_new_segment_drains_and_follows(harness: Make) -> None:
    h = harness(5).start()
    h.feed(range(4))
    h.events()
    h.segment(start=10 * Gst.SECOND)
    assert h.buffers_in_queue() == 8
    assert kinds(h.events()) == ["segment"]


def test_a_segment_in_bytes_is_refused_in_words(harness: Make) -> None:
    h = harness().start()
    segment = Gst.Segment.new()
    segment.init(Gst.Format.BYTES)
    h.push_event(Gst.Event.new_segment(segment))
    error = h.error()
    assert error.matches(Gst.StreamError.quark(), Gst.StreamError.FORMAT)
    assert "the segment must be in time, got 'bytes'" in error.message


@pytest.mark.parametrize(
    "make",
    [
        lambda: Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM, Gst.Structure.new_empty("x")),
        lambda: Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM_STICKY, Gst.Structure.new_empty("y")),
        lambda: Gst.Event.new_tag(Gst.TagList.new_from_string('taglist,title=(string)"t"')),
    ],
    ids=["custom", "custom-sticky", "tag"],
)
def test_serialized_events_keep_their_place(harness: Make, make: Callable[[], object]) -> None:
    h = harness(5).start()
    order: list[object] = []

    def seen(_pad: object, info: object) -> object:
        if info.type & Gst.PadProbeType.BUFFER:  # type: ignore[attr-defined]  # gi ships no types
            order.append(info.get_buffer().pts // MS)  # type: ignore[attr-defined]  # the same
        else:
            order.append(info.get_event().type.value_nick)  # type: ignore[attr-defined]  # the same
        return Gst.PadProbeReturn.OK

    both = Gst.PadProbeType.BUFFER | Gst.PadProbeType.EVENT_DOWNSTREAM
    h.element.get_static_pad("src").add_probe(both, seen)
    h.feed(range(2))
    event = make()
    h.push_event(event)
    h.feed(range(2, 5))
    h.end()
    at = order.index(event.type.value_nick)  # type: ignore[attr-defined]  # the same
    assert (order[at - 1], order[at + 1]) == (60, 80)


def test_events_out_of_band_overtake_what_is_held(harness: Make) -> None:
    h = harness(9).start()
    h.feed(range(2))
    h.push_event(Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM_OOB, Gst.Structure.new_empty("x")))
    assert h.buffers_in_queue() == 0
    assert kinds(h.events())[-1] == "custom-downstream-oob"


def test_events_from_downstream_go_up(harness: Make) -> None:
    h = harness().start()
    h.upstream_events()
    h.push_upstream_event(Gst.Event.new_reconfigure())
    h.push_upstream_event(Gst.Event.new_custom(Gst.EventType.CUSTOM_UPSTREAM, Gst.Structure.new_empty("x")))
    h.push_upstream_event(Gst.Event.new_qos(Gst.QOSType.UNDERFLOW, 1.0, 5, 5))
    assert kinds(h.upstream_events()) == ["reconfigure", "custom-upstream", "qos"]


def test_reverse_playback_has_its_middles_between_its_frames(harness: Make) -> None:
    h = harness().start()
    h.segment(rate=-1.0, start=0, stop=400 * MS)
    h.feed((9, 8, 7, 6))
    out = h.end()
    assert times(out) == [360, 340, 320, 300, 280, 260, 240, 220]
    assert values(out) == [90, 85, 80, 75, 70, 65, 60, 60]
    assert {b.duration for b in out} == {20 * MS}


def test_a_frame_at_zero_in_reverse_has_no_negative_middle(harness: Make) -> None:
    h = harness().start()
    h.segment(rate=-1.0, start=0, stop=400 * MS)
    h.feed((1, 0))
    assert times(h.end()) == [40, 20, 0, 0]


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("movie") / "m.mkv"
    run("videotestsrc num-buffers=200 ! video/x-raw,format=I420,framerate=25/1,width=64,height=48 ! "
        f"x264enc key-int-max=10 ! matroskamux ! filesink location={path}")  # fmt: skip
    return path


def test_an_accurate_seek_lands_where_it_should(movie: Path, alanet_bin: str) -> None:
    pipeline = Gst.parse_launch(f"filesrc location={movie} ! matroskademux ! avdec_h264 ! {alanet_bin} "
                                "! appsink name=s sync=false max-buffers=4")  # fmt: skip
    pipeline.set_state(Gst.State.PAUSED)
    settle(pipeline)
    try:
        for at in (4000, 1000, 7000):
            how = Gst.SeekFlags.FLUSH | Gst.SeekFlags.ACCURATE
            assert pipeline.seek_simple(Gst.Format.TIME, how, at * MS)
            settle(pipeline)
            first = pipeline.get_by_name("s").emit("pull-preroll").get_buffer()
            assert first.pts // MS == at
            assert pipeline.query_position(Gst.Format.TIME)[0]
    finally:
        pipeline.set_state(Gst.State.NULL)


def test_a_seek_in_reverse_plays_backwards(movie: Path, alanet_bin: str) -> None:
    pipeline = Gst.parse_launch(f"filesrc location={movie} ! matroskademux ! avdec_h264 ! {alanet_bin} "
                                "! appsink name=s sync=false")  # fmt: skip
    pipeline.set_state(Gst.State.PAUSED)
    settle(pipeline)
    start = Gst.SeekType.SET
    assert pipeline.seek(-1.0, Gst.Format.TIME, Gst.SeekFlags.FLUSH, start, 0, start, 2 * Gst.SECOND)
    pipeline.set_state(Gst.State.PLAYING)
    stamps = [b.pts for b in pull(pipeline.get_by_name("s"))]
    pipeline.set_state(Gst.State.NULL)
    assert len(stamps) >= 98
    assert stamps == sorted(stamps, reverse=True)


def test_a_storm_of_seeks_while_it_computes_leaves_no_error(
    movie: Path, alanet_bin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import alanet_core as alanet

    push = alanet.AlanetStream.push

    def slow(self: object, *args: object, **how: object) -> object:
        time.sleep(0.003)
        return push(self, *args, **how)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(alanet.AlanetStream, "push", slow)
    pipeline = Gst.parse_launch(f"filesrc location={movie} ! matroskademux ! avdec_h264 ! {alanet_bin} "
                                "! queue max-size-buffers=2 ! fakesink sync=true")  # fmt: skip
    pipeline.set_state(Gst.State.PLAYING)
    settle(pipeline)
    dice = random.Random(1)
    try:
        for _ in range(60):
            how = Gst.SeekFlags.FLUSH | Gst.SeekFlags.KEY_UNIT
            assert pipeline.seek_simple(Gst.Format.TIME, how, dice.randrange(7900) * MS)
            time.sleep(dice.random() * 0.02)
        message = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
        assert message is None, message.parse_error()
        settle(pipeline)
    finally:
        pipeline.set_state(Gst.State.NULL)


def test_segments_of_other_rates_run_on(harness: Make) -> None:
    h = harness().start()
    h.segment(rate=2.0, start=0, stop=NONE)
    h.feed(range(4))
    assert times(h.end()) == [20.0 * i for i in range(8)]


@pytest.mark.parametrize("returned", [Gst.FlowReturn.EOS, Gst.FlowReturn.ERROR, Gst.FlowReturn.FLUSHING])
def test_what_downstream_says_goes_up(harness: Make, returned: object) -> None:
    h = harness().start(CAPS)
    element = h.element
    peer = element.get_static_pad("src").get_peer()
    peer.set_chain_function_full(lambda *_: returned, None)
    assert h.feed(range(2)) == [Gst.FlowReturn.OK, returned]


def test_the_end_comes_even_where_downstream_failed(harness: Make) -> None:
    h = harness().start()
    h.feed(range(2))
    peer = h.element.get_static_pad("src").get_peer()
    peer.set_chain_function_full(lambda *_: Gst.FlowReturn.ERROR, None)
    h.push_event(Gst.Event.new_eos())
    assert kinds(h.events())[-1] == "eos"


def test_missing_timestamps_and_lost_frames_keep_the_sum_of_time(harness: Make) -> None:
    h = harness().start()
    for k in (0, 1, 3, 4):
        h.push(frame(k))
    out = h.end()
    assert times(out) == [0, 20, 40, 80, 120, 140, 160, 180]
    assert [b.duration // MS for b in out] == [20, 20, 40, 40, 20, 20, 20, 20]
    assert sum(b.duration for b in out) == 5 * T
