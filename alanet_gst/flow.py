"""State: what a run holds from its first caps to its end, and a frame's way in.

A frame that comes in is held until its pair can be made: `lookahead` frames later. Then its sharp frame and its middle
go out together, and before them the events that came before it. In mode "interpolate" of a live pipeline the input
frame goes out as soon as the middle before it has, half a frame earlier.
"""

import dataclasses
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, Protocol

from alanet_gst import buffers, caps
from alanet_gst.errors import Trouble
from alanet_gst.gst import Gst, GstVideo
from alanet_gst.outputs import Outputs
from alanet_gst.pace import Pace, Teller
from alanet_gst.qos import Level
from alanet_gst.sender import Exit, FlowStop, Held, Sender
from alanet_gst.settings import Settings
from alanet_gst.stats import Stats
from alanet_gst.timing import NoTime, Timeline

if TYPE_CHECKING:
    from torch import Tensor

    from alanet_core import AlanetStream, FramePair
    from alanet_gst.engine import Engine
    from alanet_gst.pixels import Layout

EFFORTS: dict[Level, Literal["full", "sharp", "none"]] = {Level.FULL: "full", Level.REPEAT: "sharp", Level.PASS: "none"}


class Host(Teller, Exit, Protocol):
    """What a flow needs of its element."""

    def allocation(self, fixed: Gst.Caps) -> tuple[bool, Gst.AllocationParams | None]:
        """Whether downstream reads VideoMeta, and the allocation parameters that it wants."""

    def is_live(self) -> bool:
        """Whether upstream is."""


@dataclass
class Negotiated:
    """What follows from fixed caps. early: input frames go out before the middles that follow them are made."""

    caps: Gst.Caps
    info: GstVideo.VideoInfo
    layout: "Layout"
    outputs: Outputs
    stream: "AlanetStream"
    early: bool


class Flow:
    """One run, READY to READY. All of it belongs to the streaming thread, but for `pace`."""

    def __init__(self, host: Host, engine: "Engine", settings: Settings, stats: Stats) -> None:
        self._host = host
        self._engine = engine
        self._settings = dataclasses.replace(settings)
        self._stats = stats
        self._sender = Sender(host, stats, settings.mode)
        self.pace = Pace(host, settings, stats)
        self.factor = Fraction(1 if settings.mode == "deblur" else 2)
        self._segment = Gst.Segment.new()
        self._segment.init(Gst.Format.TIME)
        self._timeline = Timeline()
        self._held: deque[Held] = deque()
        self._events: list[Gst.Event] = []  # behind the last frame held
        self._lost: list[Gst.Event] = []  # sticky ones that were thrown away with frames
        self._negotiated: Negotiated | None = None
        self._discont = True
        self._worked = 0  # ns, on the last frame

    # -- caps and segments

    def set_caps(self, new: Gst.Caps) -> bool:
        """Fixed caps have come. Raises Trouble for what cannot be taken."""
        if self._negotiated is not None and self._negotiated.caps.is_equal(new):
            return True
        self.drain()
        self._negotiated = None
        info = caps.checked_info(new)
        alpha = bool(int(info.finfo.flags) & int(GstVideo.VideoFormatFlags.ALPHA))
        layout = self._engine.layout(info, caps.pixel_format(info), alpha=alpha)
        if not self._host.push_event(Gst.Event.new_caps(caps.scale_caps(new, self.factor))):
            return False
        self._timeline.set_rate(caps.rate_of(info))
        live = self._host.is_live()
        early = live and self._settings.mode == "interpolate"
        stream = self._engine.stream(self._settings)
        self._negotiated = Negotiated(new, info, layout, self._outputs(new, info, layout), stream, early)
        with self._working():
            cost = self._engine.warm_up(layout, info.height, info.width, self._settings)
        self.pace.begin(lookahead=self._engine.lookahead, live=live, early=early, work=cost.work, delay=cost.delay)
        self.pace.warn_of_budget(self._timeline.period)
        self.pace.tell_latency(self._timeline.period)
        return True

    def renegotiate(self) -> None:
        """Downstream has changed: ask it anew what it does with memory."""
        if self._negotiated is not None:
            now = self._negotiated
            now.outputs = self._outputs(now.caps, now.info, now.layout)

    def _outputs(self, new: Gst.Caps, info: GstVideo.VideoInfo, layout: "Layout") -> Outputs:
        takes, parameters = self._host.allocation(caps.scale_caps(new, self.factor))
        return Outputs(info, layout, self.factor, takes_strides=takes, parameters=parameters)

    def set_segment(self, segment: Gst.Segment) -> None:
        """A new segment; what came before has been drained. Raises Trouble for one that is not in time."""
        if segment.format != Gst.Format.TIME:
            got = Gst.Format.get_name(segment.format)
            raise Trouble.stream("the segment", "in time", got, "put a parser or decoder before alanet")
        self._segment = segment.copy()
        self._begin_segment()

    def is_in(self, segment: Gst.Segment) -> bool:
        """Whether that is the segment which plays already; being told of it once more interrupts nothing."""
        return bool(self._segment.is_equal(segment))

    def _begin_segment(self) -> None:
        forward = self._segment.rate >= 0
        start = buffers.known(self._segment.start if forward else self._segment.stop) or 0
        self._timeline.begin(forward=forward, start=start)
        self.pace.restart_clock()

    def flush(self) -> list[Gst.Event]:
        """Throw away what is held; a segment will follow. -> the sticky events among it, which must not be lost."""
        self.forget()
        self._segment.init(Gst.Format.TIME)
        self._begin_segment()
        lost, self._lost = self._lost, []
        return lost

    # -- a frame in

    def take(self, buffer: Gst.Buffer) -> None:
        """An input buffer has come. Raises FlowStop and Trouble."""
        if self._negotiated is None:
            raise Trouble.negotiation("the stream", "preceded by caps", "none", "put videoconvert before alanet")
        own, duration = buffers.known(buffer.pts), buffers.known(buffer.duration) or None
        discont = buffer.has_flags(Gst.BufferFlags.DISCONT)
        pts = self._stamp(own)
        if self._timeline.is_hole(pts, discont=discont):
            self.drain()
            self.pace.restart_clock()
        self._timeline.advance(pts, duration, told=own is not None)
        level = self._decide(pts)
        with self._working():
            pairs = self._take_at(level, buffer, pts, duration, self._negotiated)
        self.pace.took(level, self._worked, pairs)
        self.pace.tell_latency(self._timeline.mean_step)

    def _take_at(self, level: Level, buffer: Gst.Buffer, pts: int, duration: int | None, now: Negotiated) -> int:
        """-> how many pairs the network gave."""
        arrived, self._sender.departed = time.monotonic_ns(), None
        if level is Level.DROP:
            return 0
        marked = self._discont or buffer.has_flags(Gst.BufferFlags.DISCONT)
        held = Held(buffer, pts, duration, arrived, marked, self._events, fed=level < Level.BYPASS)
        self._discont, self._events = False, []
        if not held.fed:
            self._let_network_sleep(now.stream)
        self._held.append(held)
        pairs = self._feed(held, level, now) if held.fed else 0
        self._send_ready(arrived, now)
        return pairs

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Tell `pace` of the time spent here, downstream's not counted."""
        began, pushing = time.monotonic_ns(), self._sender.pushing
        try:
            yield
        finally:
            self._worked = time.monotonic_ns() - began - (self._sender.pushing - pushing)
            self.pace.busy(self._worked)

    def _stamp(self, own: int | None) -> int:
        try:
            return self._timeline.stamp(own)
        except NoTime:
            remedy = "put videorate or a parser before alanet"
            raise Trouble.stream("frames", "stamped, or of a known frame rate", "neither", remedy) from None

    def _decide(self, pts: int) -> Level:
        running = buffers.known(self._segment.to_running_time(Gst.Format.TIME, pts))
        period = self._timeline.period
        level, lag = self.pace.decide(running, int(period / abs(self._segment.rate)) if period else None)
        late = () if level is Level.FULL else ("late",)
        self._stats.count("in", "dropped" if level is Level.DROP else "held", *late)
        if late:
            assert running is not None
            stream = self._segment.to_stream_time(Gst.Format.TIME, pts)
            place = (running, stream, pts, period or buffers.NONE)
            self.pace.tell_qos(level, lag, place)
        return level

    def _feed(self, held: Held, level: Level, now: Negotiated) -> int:
        with self._stats.timed("read"):
            rgb = now.outputs.read(held.buffer, self._engine.device)
        stopped: list[Exception] = []
        with self._stats.timed("network") as aside:

            def send(_: int, sharp: "Tensor") -> None:
                with aside.measured():
                    try:
                        self._send_early(sharp, level, now)
                    except (FlowStop, Trouble) as stop:  # the network is to finish the pair all the same
                        stopped.append(stop)

            pairs = now.stream.push(rgb, effort=EFFORTS[level], early=send if self._settings.low_latency else None)
        self._assign(pairs, level)
        if stopped:
            raise stopped[0]
        return len(pairs)

    def _send_early(self, sharp: "Tensor", level: Level, now: Negotiated) -> None:
        """The sharp frame of the only pair that is due, if nothing that came before it is still held."""
        first = self._held[0]
        if first.fed and first.pair is None:
            first.level = level
            self._sender.send_sharp(first, self._held[1].pts - first.pts, now.outputs, sharp)

    def _assign(self, pairs: "list[FramePair]", level: Level) -> None:
        waiting = [held for held in self._held if held.fed and held.pair is None]
        for held, pair in zip(waiting, pairs, strict=False):
            held.pair, held.level = pair, level

    def _let_network_sleep(self, stream: "AlanetStream") -> None:
        """Frames that wait for their pairs are passed through; the next one that is fed begins a new shot."""
        stream.reset()
        for held in self._held:
            held.fed = held.fed and held.pair is not None

    # -- frames out

    def _send_ready(self, arrived: int, now: Negotiated) -> None:
        sender = self._sender
        sharp_is_out = sender.departed is not None
        while self._held and self._is_ready(self._held[0]):
            level, first = self._held[0].level, sharp_is_out or sender.departed is None
            self._send_next(now)
            if first and sender.departed is not None:
                self.pace.processed(self._delay(sender, arrived, sharp_is_out=sharp_is_out), level)
            sharp_is_out = False
        if now.early and self._held and not self._held[0].sent:
            sender.send_sharp(self._held[0], self._timeline.last_step(self._held[0].duration), now.outputs)

    def _delay(self, sender: Sender, arrived: int, *, sharp_is_out: bool) -> int:
        """Until the pair's first buffer went out; or the second, where that is due half a frame later and was not."""
        assert sender.departed is not None
        half = (self._timeline.period or 0) // 2
        return max(sender.departed, sender.latest - half if sharp_is_out else 0) - arrived

    def _is_ready(self, held: Held) -> bool:
        return held.pair is not None if held.fed else len(self._held) > 1

    def _send_next(self, now: Negotiated) -> None:
        held = self._held.popleft()
        following = self._held[0] if self._held else None
        step = following.pts - held.pts if following else self._timeline.last_step(held.duration)
        self._sender.send(held, following, step, now.outputs)

    # -- the end, and events

    def drain(self) -> None:
        """Send all that is held, then begin anew. Raises FlowStop."""
        try:
            if self._negotiated is not None:
                with self._working():
                    self._assign(self._negotiated.stream.drain(), Level.FULL)
                    while self._held:
                        self._send_next(self._negotiated)
            while self._events:
                self._host.push_event(self._events.pop(0))
        finally:
            self.forget()

    def forget(self) -> None:
        """Begin anew; what is still held is lost."""
        if self._negotiated is not None:
            self._negotiated.stream.reset()
        self._stats.count(flushed=len(self._held), held=-len(self._held))
        kept = [event for held in self._held if not held.sent for event in held.events] + self._events
        self._lost += [event for event in kept if is_sticky(event)]
        self._events = []
        self._held.clear()
        self._timeline.interrupt()
        self._discont = True

    def skip(self, start: int | None, duration: int | None) -> None:
        """A GAP event, after the drain: nothing comes until start + duration."""
        if start is not None and duration is not None and self._segment.rate >= 0:
            self._timeline.interrupt(start + duration)

    def keep_in_place(self, event: Gst.Event) -> bool:
        """Hold a serialized event until the next frame goes out, if it would overtake one -> whether it is held."""
        if self._held or self._events:
            self._events.append(event)
            return True
        return False


def is_sticky(event: Gst.Event) -> bool:
    """Whether pads remember the event, so that a flush must not lose it."""
    return bool(Gst.event_type_get_flags(event.type) & Gst.EventTypeFlags.STICKY)
