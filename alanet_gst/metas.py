"""Metas that speak of a frame's own time: timecodes and reference timestamps. Two frames come of one, so they change.

Python has no access to their C structs; ctypes has. The metas of an output buffer are copies of the input's.
"""

import ctypes
from collections.abc import Iterator

from alanet_gst.buffers import NONE
from alanet_gst.gst import Gst, GstVideo

_gst = ctypes.CDLL("libgstreamer-1.0.so.0")
_gst.gst_buffer_iterate_meta_filtered.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
_gst.gst_buffer_iterate_meta_filtered.restype = ctypes.c_void_p
_gst.gst_reference_timestamp_meta_api_get_type.restype = ctypes.c_size_t


class _TimeCodeMeta(ctypes.Structure):
    """The head of GstVideoTimeCodeMeta, for which Python has no access of its own."""

    _fields_ = (
        ("flags", ctypes.c_uint),
        ("info", ctypes.c_void_p),
        ("fps_n", ctypes.c_uint),
        ("fps_d", ctypes.c_uint),
        ("config_flags", ctypes.c_uint),
        ("latest_daily_jam", ctypes.c_void_p),
        ("hours", ctypes.c_uint),
        ("minutes", ctypes.c_uint),
        ("seconds", ctypes.c_uint),
        ("frames", ctypes.c_uint),
    )

    @classmethod
    def of(cls, buffer: Gst.Buffer) -> "_TimeCodeMeta | None":
        meta = buffer.get_meta(GstVideo.video_time_code_meta_api_get_type())
        return None if meta is None else cls.from_address(hash(meta))


def double_timecode(source: Gst.Buffer, out: Gst.Buffer, *, middle: bool) -> None:
    """The timecode that `out` has from the input buffer `source`, if any, at twice its rate: two frames for one."""
    before, after = _TimeCodeMeta.of(source), _TimeCodeMeta.of(out)
    if before is not None and after is not None:
        after.fps_n, after.frames = before.fps_n * 2, before.frames * 2 + middle


class _ReferenceMeta(ctypes.Structure):
    """GstReferenceTimestampMeta: the frame's time by another clock, such as a camera's."""

    _fields_ = (
        ("flags", ctypes.c_uint),
        ("info", ctypes.c_void_p),
        ("reference", ctypes.c_void_p),
        ("timestamp", ctypes.c_uint64),
        ("duration", ctypes.c_uint64),
    )

    @classmethod
    def all_of(cls, buffer: Gst.Buffer) -> "Iterator[_ReferenceMeta]":
        state, kind = ctypes.c_void_p(), _gst.gst_reference_timestamp_meta_api_get_type()
        while meta := _gst.gst_buffer_iterate_meta_filtered(hash(buffer), ctypes.byref(state), kind):
            yield cls.from_address(meta)


def move_references(out: Gst.Buffer, by: int, duration: int | None) -> None:
    """The output lies `by` ns after the input whose metas it has, and lasts so long."""
    for meta in _ReferenceMeta.all_of(out):
        meta.timestamp = max(0, meta.timestamp + by)
        if meta.duration != NONE:
            meta.duration = NONE if duration is None else duration
