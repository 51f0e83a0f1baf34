"""Buffers: mapped planes, new ones, the same memory under another time, and a push that keeps no reference."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

from alanet_gst.errors import TooShort, Trouble
from alanet_gst.gst import Gst, GstVideo

NONE = Gst.CLOCK_TIME_NONE
NOT_HANDED_ON = Gst.BufferFlags.DISCONT | Gst.BufferFlags.RESYNC  # they speak of the input's place in its stream

_gst = ctypes.CDLL("libgstreamer-1.0.so.0")
_gst.gst_mini_object_ref.argtypes = [ctypes.c_void_p]
_gst.gst_mini_object_ref.restype = ctypes.c_void_p
_gst.gst_pad_push.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
_gst.gst_pad_push.restype = ctypes.c_int

Mapped = tuple[memoryview, list[int], list[int]]
"""Memory, offset of each plane, stride of each plane."""


def known(time: int) -> int | None:
    """A GstClockTime, or None for GST_CLOCK_TIME_NONE."""
    return None if time == NONE else int(time)


def _place(buffer: Gst.Buffer, info: GstVideo.VideoInfo) -> tuple[list[int], list[int]]:
    meta = GstVideo.buffer_get_video_meta(buffer)
    return (list(meta.offset), list(meta.stride)) if meta else (list(info.offset), list(info.stride))


def has_default_layout(buffer: Gst.Buffer, info: GstVideo.VideoInfo) -> bool:
    """Whether the planes lie where the caps alone would put them."""
    planes = info.finfo.n_planes
    offsets, strides = _place(buffer, info)
    return offsets[:planes] == list(info.offset)[:planes] and strides[:planes] == list(info.stride)[:planes]


@contextmanager
def reading(buffer: Gst.Buffer, info: GstVideo.VideoInfo) -> Iterator[Mapped]:
    """An input buffer's planes. Views of them must be gone before the end: they would read freed memory."""
    ok, mapped = buffer.map(Gst.MapFlags.READ)
    if not ok:
        raise Trouble(Gst.ResourceError.READ, "cannot map an input buffer; put videoconvert before alanet")
    try:
        yield mapped.data, *_place(buffer, info)
    except TooShort as error:
        got = f"{buffer.get_size()} bytes"
        expected = f"at least {info.size} bytes for {info.width}x{info.height} {info.finfo.name}"
        remedy = "check the element before alanet"
        raise Trouble.stream("a buffer", expected, got, remedy) from error
    finally:
        buffer.unmap(mapped)


@contextmanager
def writing(buffer: Gst.Buffer, info: GstVideo.VideoInfo) -> Iterator[Mapped]:
    """A new buffer's planes."""
    ok, mapped = buffer.map(Gst.MapFlags.WRITE)
    if not ok:
        raise Trouble(Gst.ResourceError.WRITE, "cannot map an output buffer; memory may be short")
    try:
        yield mapped.data, list(info.offset), list(info.stride)
    finally:
        buffer.unmap(mapped)


def fresh(source: Gst.Buffer, info: GstVideo.VideoInfo, parameters: Gst.AllocationParams | None) -> Gst.Buffer:
    """A new buffer in the default layout, with the flags and metas of `source` that do not speak of its memory."""
    out = Gst.Buffer.new_allocate(None, info.size, parameters)
    out.copy_into(source, Gst.BufferCopyFlags.FLAGS | Gst.BufferCopyFlags.META, 0, source.get_size())
    out.unset_flags(NOT_HANDED_ON)
    return out


def shared(source: Gst.Buffer) -> Gst.Buffer:
    """The same memory and metas under a head of its own: times can be set without touching the input's."""
    what = Gst.BufferCopyFlags.FLAGS | Gst.BufferCopyFlags.META | Gst.BufferCopyFlags.MEMORY
    out = source.copy_region(what, 0, source.get_size())
    out.unset_flags(NOT_HANDED_ON)
    return out


def stamp(buffer: Gst.Buffer, pts: int, duration: int | None, *, discont: bool) -> None:
    """Give an output buffer its place in time; decoding time and offsets of the input's are not in it."""
    buffer.pts, buffer.duration = pts, NONE if duration is None else duration
    if discont:
        buffer.set_flags(Gst.BufferFlags.DISCONT)


def disown(buffer: Gst.Buffer) -> int:
    """Take the buffer out of its Python wrapper's hands -> its address, for `push`.

    With pad.push(buffer) the wrapper's own reference lives on during the push, so that every element downstream that
    works in place copies the frame first.
    """
    address = hash(buffer)
    _gst.gst_mini_object_ref(address)
    return address


def push(pad: Gst.Pad, address: int) -> Gst.FlowReturn:
    """Push what `disown` gave; the caller has let go of the wrapper. -> GstFlowReturn."""
    return Gst.FlowReturn(_gst.gst_pad_push(hash(pad), address))
