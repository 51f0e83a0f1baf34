"""GstHarness for Python, and what the tests feed it with."""

import ctypes
from collections.abc import Iterable
from typing import Any

import gi

for name in ("Gst", "GstCheck", "GstVideo", "GstApp"):
    gi.require_version(name, "1.0")
from gi.repository import Gst, GstApp, GstCheck, GstVideo  # noqa: E402, F401  # GstApp gives appsink its methods

MS = Gst.MSECOND
NONE = Gst.CLOCK_TIME_NONE
CAPS = "video/x-raw,format=GRAY8,width=32,height=8,framerate=25/1,colorimetry=1:1:5:1"
T = 40 * MS  # of a frame of CAPS

_check = ctypes.CDLL("libgstcheck-1.0.so.0")
_check.gst_harness_new_with_element.restype = ctypes.c_void_p
_check.gst_harness_new_with_element.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]
_check.gst_harness_teardown.argtypes = [ctypes.c_void_p]


class Harness:
    """An `alanet` between two pads of ours, with no threads but ours and a clock that stands still.

    GstCheck.Harness has no constructor in introspection: make the C one and lay a copy of its public struct (six
    pointers) into an introspected one; tear down the C one, never the copy.
    """

    def __init__(self, **properties: object) -> None:
        self.element = Gst.ElementFactory.make("alanet", None)
        for key, value in properties.items():
            self.element.set_property(key.replace("_", "-"), value)
        self.bus = Gst.Bus.new()
        self.element.set_bus(self.bus)
        self._c = _check.gst_harness_new_with_element(hash(self.element), b"sink", b"src")
        self.h = GstCheck.Harness()
        ctypes.memmove(hash(self.h), self._c, 6 * ctypes.sizeof(ctypes.c_void_p))
        self.h.set_live(False)  # else every busy moment of the machine is a lag against a clock that stands still

    def __getattr__(self, name: str) -> Any:
        return getattr(self.h, name)

    def start(self, caps: str = CAPS) -> "Harness":
        self.h.set_src_caps_str(caps)
        self.h.play()
        return self

    def feed(self, frames: Iterable[int], **how: Any) -> list[Any]:
        return [self.h.push(frame(k, **how)) for k in frames]

    def end(self) -> list[Any]:
        self.h.push_event(Gst.Event.new_eos())
        return self.buffers()

    def buffers(self) -> list[Any]:
        return [self.h.pull() for _ in range(self.h.buffers_in_queue())]

    def events(self) -> list[Any]:
        return [self.h.pull_event() for _ in range(self.h.events_in_queue())]

    def upstream_events(self) -> list[Any]:
        return [self.h.pull_upstream_event() for _ in range(self.h.upstream_events_in_queue())]

    def messages(self, kind: Any) -> list[Any]:
        got = []
        while (message := self.bus.pop()) is not None:
            if message.type == kind:
                got.append(message)
        return got

    def error(self) -> Any:
        got = self.messages(Gst.MessageType.ERROR)
        return got[0].parse_error()[0] if got else None

    def stats(self) -> dict[str, int]:
        return stats(self.element)

    def segment(self, rate: float = 1.0, start: int = 0, stop: int = NONE) -> None:
        segment = Gst.Segment.new()
        segment.init(Gst.Format.TIME)
        segment.rate, segment.start, segment.stop = rate, start, stop
        segment.time, segment.position = start, start if rate > 0 else stop
        self.h.push_event(Gst.Event.new_segment(segment))

    def flush(self) -> None:
        self.h.push_event(Gst.Event.new_flush_start())
        self.h.push_event(Gst.Event.new_flush_stop(True))

    def close(self) -> None:
        if self._c:
            _check.gst_harness_teardown(self._c)
            self._c = None
        self.h = self.element = None


def stats(element: Any) -> dict[str, int]:
    """The property `stats` as a dictionary."""
    structure = element.get_property("stats")
    return {structure.nth_field_name(k): structure.get_value(structure.nth_field_name(k))
            for k in range(structure.n_fields())}  # fmt: skip


def frame(k: int, *, size: int = 256, stamped: bool = True, value: int | None = None, step: int = T) -> Any:
    """Buffer k of CAPS: every sample is 10 k (modulo 256), unless a value is given."""
    buffer = Gst.Buffer.new_allocate(None, size, None)
    buffer.memset(0, k * 10 % 256 if value is None else value, size)
    if stamped:
        buffer.pts, buffer.duration = k * step, step
    return buffer


def values(buffers: Iterable[Any]) -> list[int]:
    """The first sample of each."""
    return [buffer.extract_dup(0, 1)[0] for buffer in buffers]


def times(buffers: Iterable[Any]) -> list[float]:
    """Their timestamps in ms."""
    return [buffer.pts / MS for buffer in buffers]


def kinds(events: Iterable[Any]) -> list[str]:
    """The names of events."""
    return [event.type.value_nick for event in events]


def run(text: str, seconds: float = 60) -> None:
    """Play a pipeline to its end; raises what it has for an error."""
    pipeline = Gst.parse_launch(text)
    try:
        pipeline.set_state(Gst.State.PLAYING)
        wait(pipeline, seconds)
    finally:
        pipeline.set_state(Gst.State.NULL)


def wait(pipeline: Any, seconds: float = 60) -> None:
    """Wait for the end of a pipeline that plays."""
    ends = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(int(seconds * Gst.SECOND), ends)
    assert message is not None, f"no end within {seconds} s"
    if message.type == Gst.MessageType.ERROR:
        error, debug = message.parse_error()
        raise AssertionError(f"{error.message}\n{debug}")


def pull(sink: Any, most: int = 10_000) -> list[Any]:
    """All buffers that an appsink gets until the end."""
    got = []
    while len(got) < most and (sample := sink.emit("try-pull-sample", 60 * Gst.SECOND)) is not None:
        got.append(sample.get_buffer())
    return got


def settle(pipeline: Any, seconds: float = 60) -> None:
    """Wait until a change of state is through."""
    returned = pipeline.get_state(int(seconds * Gst.SECOND))[0]
    assert returned in {Gst.StateChangeReturn.SUCCESS, Gst.StateChangeReturn.NO_PREROLL}, returned
