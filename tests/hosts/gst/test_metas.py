"""Metas that speak of time: two frames come of one, so timecodes are doubled and reference timestamps moved."""

import ctypes
from collections.abc import Callable, Iterator

import pytest
from gi.repository import GLib, Gst, GstVideo
from gstharness import CAPS, MS, Harness, T, frame

Make = Callable[..., Harness]
TIMECODE = 16  # where a GstVideoTimeCodeMeta's timecode lies: behind the GstMeta
RATES = {(25, 1): CAPS, (30000, 1001): CAPS.replace("25/1", "30000/1001")}

_video = ctypes.CDLL("libgstvideo-1.0.so.0")
_video.gst_video_time_code_to_string.argtypes = [ctypes.c_void_p]
_video.gst_video_time_code_to_string.restype = ctypes.c_void_p
_video.gst_video_time_code_is_valid.argtypes = [ctypes.c_void_p]
_glib = ctypes.CDLL("libglib-2.0.so.0")
_glib.g_free.argtypes = [ctypes.c_void_p]


def timecode(buffer: Gst.Buffer) -> str:
    """As GStreamer itself reads it."""
    meta = buffer.get_meta(GstVideo.video_time_code_meta_api_get_type())
    assert meta is not None
    assert _video.gst_video_time_code_is_valid(hash(meta) + TIMECODE)
    text = _video.gst_video_time_code_to_string(hash(meta) + TIMECODE)
    try:
        return (ctypes.string_at(text) or b"").decode()
    finally:
        _glib.g_free(text)


def coded(
    k: int, *, rate: tuple[int, int] = (25, 1), start: tuple[int, int, int] = (20, 30, 0), **how: object
) -> Gst.Buffer:
    """Frame k with a timecode, counted from (minutes, seconds, frames); drop-frame where the rate is a fraction."""
    buffer = frame(k, step=Gst.SECOND * rate[1] // rate[0], **how)
    flags, jam = GstVideo.VideoTimeCodeFlags(int(rate[1] != 1)), GLib.DateTime.new_utc(2026, 1, 1, 0, 0, 0)
    minutes, seconds, first = start
    GstVideo.buffer_add_video_time_code_meta_full(buffer, *rate, jam, flags, 10, minutes, seconds, first + k, 0)
    return buffer


@pytest.mark.parametrize("mode", ["joint", "interpolate"])
def test_timecodes_are_doubled(harness: Make, mode: str) -> None:
    h = harness(mode=mode).start()
    sent = [coded(k) for k in range(4)]
    for buffer in sent:
        h.push(buffer)
    assert [timecode(b) for b in h.end()] == [f"10:20:30:{k:02d}" for k in range(8)]
    assert [timecode(b) for b in sent] == [f"10:20:30:{k:02d}" for k in range(4)]


def test_the_last_frames_of_a_second_stay_in_it(harness: Make) -> None:
    h = harness().start()
    for k in range(3):
        h.push(coded(k, start=(20, 30, 22)))
    assert [timecode(b) for b in h.end()] == [f"10:20:30:{k}" for k in range(44, 50)]


def test_timecodes_that_drop_frames_go_on_dropping_twice_as_many(harness: Make) -> None:
    h = harness().start(RATES[30000, 1001])
    for k in range(2):
        h.push(coded(k, rate=(30000, 1001), start=(21, 0, 2)))  # 00 and 01 do not exist in this minute
    assert [timecode(b) for b in h.end()] == [f"10:21:00;{k:02d}" for k in range(4, 8)]


def test_deblurring_alone_leaves_timecodes_as_they_are(harness: Make) -> None:
    h = harness(mode="deblur").start()
    for k in range(3):
        h.push(coded(k))
    assert [timecode(b) for b in h.end()] == [f"10:20:30:{k:02d}" for k in range(3)]


@pytest.mark.parametrize("mode", ["repeat", "blend", "next"])
def test_the_middle_before_a_cut_has_its_own_timecode(harness: Make, mode: str) -> None:
    h = harness(scene_threshold=0.33, scene_mode=mode).start()
    for k in range(4):
        h.push(coded(k, value=0 if k < 2 else 255))
    assert [timecode(b) for b in h.end()] == [f"10:20:30:{k:02d}" for k in range(8)]


def test_frames_that_are_passed_through_or_repeated_have_doubled_timecodes_too(harness: Make) -> None:
    h = harness()
    h.set_live(False)
    h.start()
    for k in range(12):
        if k in {3, 6}:
            late = (40 if k == 3 else 110) * MS
            h.push_upstream_event(Gst.Event.new_qos(Gst.QOSType.UNDERFLOW, 2.0, late, (k - 1) * T))
        h.push(coded(k))
    out = h.end()
    assert h.stats()["late"] > 1
    assert h.stats()["dropped"] == 0
    assert [timecode(b) for b in out] == [f"10:20:30:{k:02d}" for k in range(24)]


def references(buffer: Gst.Buffer) -> Iterator[tuple[int, int]]:
    for name in ("timestamp/x-ntp", "timestamp/x-unix"):
        meta = buffer.get_reference_timestamp_meta(Gst.Caps.from_string(name))
        yield meta.timestamp, meta.duration


def referred(k: int, value: int | None = None) -> Gst.Buffer:
    """Frame k with its times by two other clocks; the second tells no duration."""
    buffer = frame(k, value=value)
    buffer.add_reference_timestamp_meta(Gst.Caps.from_string("timestamp/x-ntp"), 7 * Gst.SECOND + k * T, T)
    buffer.add_reference_timestamp_meta(
        Gst.Caps.from_string("timestamp/x-unix"), 9 * Gst.SECOND + k * T, Gst.CLOCK_TIME_NONE
    )
    return buffer


@pytest.mark.parametrize("how", [{}, {"mode": "interpolate"}, {"scene_mode": "next", "scene_threshold": 0.33}])
def test_reference_timestamps_of_a_middle_are_those_of_its_time(harness: Make, how: dict[str, object]) -> None:
    h = harness(**how).start()
    sent = [referred(k, 0 if k < 2 else 255) for k in range(4)]
    for buffer in sent:
        h.push(buffer)
    half = T // 2
    assert [list(references(b)) for b in h.end()] == [
        [(7 * Gst.SECOND + i * half, half), (9 * Gst.SECOND + i * half, Gst.CLOCK_TIME_NONE)] for i in range(8)
    ]
    assert [next(references(b)) for b in sent] == [(7 * Gst.SECOND + k * T, T) for k in range(4)]


def test_deblurring_alone_leaves_reference_timestamps_as_they_are(harness: Make) -> None:
    h = harness(mode="deblur").start()
    for k in range(3):
        h.push(referred(k))
    assert [next(references(b)) for b in h.end()] == [(7 * Gst.SECOND + k * T, T) for k in range(3)]
