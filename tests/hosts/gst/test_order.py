"""What goes out, in which order, with which times and pixels."""

from collections.abc import Callable

import pytest
from gi.repository import Gst
from gstharness import CAPS, MS, NONE, Harness, T, frame, kinds, times, values

from alanet_core import Alanet

Make = Callable[..., Harness]


@pytest.mark.parametrize("window", [1, 3, 5, 9])
def test_n_frames_give_2n_at_twice_the_rate(harness: Make, window: int) -> None:
    h = harness(window).start()
    h.feed(range(10))
    lookahead = max(1, window // 2)
    assert h.buffers_in_queue() == 2 * (10 - lookahead)
    out = h.end()
    assert times(out) == [20.0 * i for i in range(20)]
    assert [b.duration for b in out] == [20 * MS] * 20
    assert values(out) == [*range(0, 91, 5), 90]
    assert kinds(h.events()) == ["stream-start", "caps", "segment", "eos"]


@pytest.mark.parametrize("length", range(1, 8))
@pytest.mark.parametrize("window", [3, 5])
def test_clips_of_any_length_are_whole(harness: Make, window: int, length: int) -> None:
    h = harness(window).start()
    h.feed(range(length))
    out = h.end()
    assert times(out) == [20.0 * i for i in range(2 * length)]
    assert values(out) == [5 * i for i in range(2 * length - 1)] + [10 * (length - 1)]


@pytest.mark.parametrize("low_latency", [False, True])
def test_with_low_latency_a_sharp_frame_goes_out_before_its_middle_is_made(
    harness: Make, tiny: str, monkeypatch: pytest.MonkeyPatch, low_latency: bool
) -> None:
    plain = harness(model=tiny).start()
    plain.feed(range(6))
    expected = plain.end()
    h, out, make = harness(model=tiny, low_latency=low_latency).start(), [], Alanet.generate_middle
    monkeypatch.setattr(Alanet, "generate_middle", lambda *args: out.append(h.buffers_in_queue()) or make(*args))
    h.feed(range(6))
    assert out[-5:] == [2 * n + low_latency for n in range(5)]
    got = h.end()
    assert times(got) == times(expected)
    assert [b.duration for b in got] == [b.duration for b in expected]
    assert [b.extract_dup(0, 512) for b in got] == [b.extract_dup(0, 512) for b in expected]


def test_low_latency_keeps_the_order_where_frames_are_passed_through_and_at_cuts(harness: Make) -> None:
    h = harness(5, low_latency=True).start()
    h.feed(range(4))
    h.push_event(Gst.Event.new_gap(4 * T, 6 * T))
    h.feed(range(10, 14))
    assert times(h.end()) == [20.0 * i for i in (*range(8), *range(20, 28))]


def test_a_stream_without_frames_ends(harness: Make) -> None:
    h = harness().start()
    assert h.end() == []
    assert kinds(h.events())[-1] == "eos"


def test_deblur_gives_one_frame_for_one_with_its_own_times(harness: Make) -> None:
    h = harness(mode="deblur").start()
    for k in range(6):
        buffer = frame(k)
        buffer.duration = T - k
        h.push(buffer)
    out = h.end()
    assert times(out) == [40.0 * k for k in range(6)]
    assert [b.duration for b in out] == [T - k for k in range(6)]
    assert values(out) == [10 * k for k in range(6)]
    assert "framerate=(fraction)25/1" in h.element.get_static_pad("src").get_current_caps().to_string()


def test_interpolate_hands_the_input_on_as_it_is(harness: Make) -> None:
    h = harness(mode="interpolate").start()
    sent = [frame(k) for k in range(4)]
    memories = [hash(b.peek_memory(0)) for b in sent]
    for buffer in sent:
        h.push(buffer)
    out = h.end()
    assert [hash(b.peek_memory(0)) for b in out[::2]] == memories
    assert values(out) == [0, 5, 10, 15, 20, 25, 30, 30]


def test_interpolate_of_a_file_waits_for_exact_durations(harness: Make) -> None:
    h = harness(mode="interpolate").start()
    h.feed([0])
    assert h.buffers_in_queue() == 0
    h.push(frame(3, step=50 * MS))
    assert [b.duration for b in h.buffers()] == [75 * MS, 75 * MS]


def test_the_last_middle_repeats_the_sharp_frame_itself(harness: Make, tiny: str) -> None:
    h = harness(model=tiny).start()
    sent = [frame(k) for k in range(2)]
    for buffer in sent:
        h.push(buffer)
    last = h.end()[-2:]
    assert hash(last[0].peek_memory(0)) == hash(last[1].peek_memory(0)) != hash(sent[1].peek_memory(0))
    assert last[0].extract_dup(0, 256) != sent[1].extract_dup(0, 256)


def test_only_the_first_frame_is_a_discontinuity(harness: Make) -> None:
    h = harness().start()
    h.feed(range(4))
    assert [b.has_flags(Gst.BufferFlags.DISCONT) for b in h.end()] == [True] + [False] * 7


def test_input_buffers_are_left_alone(harness: Make) -> None:
    h = harness().start()
    sent = [frame(k) for k in range(4)]
    for buffer in sent:
        h.push(buffer)
    h.end()
    assert [(b.pts, b.duration) for b in sent] == [(k * T, T) for k in range(4)]
    assert values(sent) == [0, 10, 20, 30]


def test_flags_and_metas_go_on_both_halves(harness: Make) -> None:
    h = harness().start()
    timestamp = Gst.Caps.from_string("timestamp/x-test")
    for k in range(3):
        buffer = frame(k)
        buffer.set_flags(Gst.BufferFlags.MARKER)
        buffer.add_reference_timestamp_meta(timestamp, (5 + k) * T, NONE)
        h.push(buffer)
    out = h.end()
    assert all(b.has_flags(Gst.BufferFlags.MARKER) for b in out)
    assert [b.get_reference_timestamp_meta(timestamp).timestamp // T for b in out] == [5, 5, 6, 6, 7, 7]


def test_offsets_of_the_input_are_not_handed_on(harness: Make) -> None:
    h = harness(mode="interpolate").start()
    buffer = frame(0)
    buffer.offset, buffer.offset_end, buffer.dts = 7, 8, 3
    h.push(buffer)
    assert [(b.offset, b.offset_end, b.dts) for b in h.end()] == [(NONE, NONE, NONE)] * 2


@pytest.mark.parametrize(("mode", "at_cut"), [("repeat", 20), ("blend", (20 + 200) // 2), ("next", 200)])
def test_the_middle_before_a_cut_is_what_scene_mode_asks_for(harness: Make, mode: str, at_cut: int) -> None:
    h = harness(scene_mode=mode, scene_threshold=0.33).start()
    h.feed(range(3))
    h.feed([3, 4], value=200)
    assert values(h.end()) == [0, 5, 10, 15, 20, at_cut, 200, 200, 200, 200]
    assert (h.stats()["made"], h.stats()["repeated"]) == (3, 2)


def test_counts_add_up(harness: Make) -> None:
    h = harness().start()
    h.feed(range(7))
    now = h.stats()
    assert now["frames-in"] == 7 == now["sharp"] + now["passed"] + now["dropped"] + now["flushed"] + now["held"]
    h.end()
    after = h.stats()
    assert (after["sharp"], after["made"], after["repeated"], after["held"]) == (7, 6, 1, 0)
    assert all(after[f"{stage}-p95"] >= after[f"{stage}-mean"] // 2 > 0 for stage in ("read", "network", "write"))


def test_the_default_network_runs(harness: Make) -> None:
    h = harness(model="default").start(CAPS.replace("width=32,height=8", "width=64,height=48"))
    h.feed(range(3), size=64 * 48)
    assert len(h.end()) == 6
