"""The element `alanet`: pads, properties, states, events and queries; what happens to frames stands in `flow`.

Only the standard library and gi are imported here: the plug-in loader runs this file in every program that uses any
Python element. numpy and torch come in when the element goes from NULL to READY, where a failure can be told in words.
"""

import weakref
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from alanet_gst import buffers, caps, errors, settings
from alanet_gst.errors import Trouble
from alanet_gst.floating import own_floating_reference
from alanet_gst.flow import Flow
from alanet_gst.gst import GObject, Gst, GstVideo
from alanet_gst.sender import FlowStop
from alanet_gst.stats import Stats

if TYPE_CHECKING:
    from alanet_gst.engine import Engine

Gst.init_python()

PROBLEM: str | None = None
"""Why this Python cannot run the network, if it cannot; the plug-in file knows."""

KIND = Gst.EventType
DRAINING = {KIND.STREAM_START, KIND.SEGMENT, KIND.GAP, KIND.EOS, KIND.SEGMENT_DONE, KIND.STREAM_GROUP_DONE}
"""Events that nothing may follow into the stream of frames before them; CAPS drain where they change."""

Handler = Callable[[Gst.Pad, Any], bool]
PadFunction = Callable[[Gst.Pad, Gst.Object, Any], object]


class Alanet(Gst.Element):  # type: ignore[misc]  # gi ships no types
    """Sharp frames and middles out of blurred frames; see docs/gstreamer.md."""

    __gtype_name__ = "Alanet"
    __gstmetadata__ = (
        "ALANET deblurring and frame interpolation",
        "Filter/Effect/Video",
        "Deblurs video and doubles its frame rate with one neural network",
        "the ALANET founders",
    )
    __gsttemplates__ = tuple(
        Gst.PadTemplate.new(name, direction, Gst.PadPresence.ALWAYS, Gst.Caps.from_string(caps.TEMPLATE))
        for name, direction in (("sink", Gst.PadDirection.SINK), ("src", Gst.PadDirection.SRC))
    )
    __gproperties__ = settings.PROPERTIES

    def __init__(self) -> None:
        super().__init__()
        self._settings = settings.Settings()
        self._stats = Stats()
        self._engine: Engine | None = None
        self._flow: Flow | None = None
        self._sink = Gst.Pad.new_from_template(self.get_pad_template("sink"), "sink")
        self._src = Gst.Pad.new_from_template(self.get_pad_template("src"), "src")
        # The *_full setters: the overrides' wrapper calls a function a second time, with other arguments, when it
        # raised TypeError, and so hides the error.
        self._sink.set_chain_function_full(_weakly(self._chain, Gst.FlowReturn.FLUSHING), None)
        self._sink.set_event_function_full(_weakly(self._on_sink_event), None)
        self._sink.set_query_function_full(_weakly(self._on_sink_query), None)
        self._src.set_event_function_full(_weakly(self._on_src_event), None)
        self._src.set_query_function_full(_weakly(self._on_src_query), None)
        self.add_pad(self._sink)
        self.add_pad(self._src)
        own_floating_reference(self)

    # -- properties

    def do_get_property(self, prop: GObject.ParamSpec) -> object:
        """Any thread."""
        if prop.name == "stats":
            return settings.structure(self._stats.snapshot())
        return settings.read(self._settings, prop.name)

    def do_set_property(self, prop: GObject.ParamSpec, value: str | float) -> None:
        """Any thread. What is changeable only in NULL or READY waits for the next start."""
        settings.write(self._settings, prop.name, value)

    # -- states

    def do_change_state(self, transition: Gst.StateChange) -> Gst.StateChangeReturn:
        """NULL -> READY loads the network, READY -> PAUSED begins a run; and back."""
        try:
            if transition == Gst.StateChange.NULL_TO_READY:
                self._engine = self._open()
            elif transition == Gst.StateChange.READY_TO_PAUSED:
                self._start()
            elif transition == Gst.StateChange.PAUSED_TO_PLAYING and self._flow is not None:
                self._flow.pace.restart_clock()
        except Exception as error:  # noqa: BLE001  # it goes to the bus
            errors.post(self, error)
            return Gst.StateChangeReturn.FAILURE
        returned = Gst.Element.do_change_state(self, transition)
        # The pads are inactive by now: no thread is in the flow.
        if transition == Gst.StateChange.PAUSED_TO_READY and self._flow is not None:
            self._flow.forget()
            self._flow = None
        elif transition == Gst.StateChange.READY_TO_NULL:
            self._engine = None
        return returned

    def _open(self) -> "Engine":
        if PROBLEM:
            raise Trouble.environment(PROBLEM)
        from alanet_gst.engine import Engine

        return Engine(self._settings)

    def _start(self) -> None:
        engine = self._engine
        if engine is None or engine.asked != self._settings.network:
            engine = self._engine = self._open()
        self._stats = Stats()
        self._flow = Flow(self, engine, self._settings, self._stats)

    # -- what the flow asks of its element

    def push(self, address: int) -> Gst.FlowReturn:
        """Push a disowned buffer downstream."""
        return buffers.push(self._src, address)

    def push_event(self, event: Gst.Event) -> bool:
        """Push an event downstream."""
        return bool(self._src.push_event(event))

    def warn(self, text: str) -> None:
        """Put a warning on the bus."""
        errors.warn(self, text)

    def clock_now(self) -> int | None:
        """The running time that the clock shows; None where it does not run."""
        clock = self.get_clock()
        if clock is None or self.current_state != Gst.State.PLAYING:
            return None
        return int(clock.get_time() - self.get_base_time())

    def allocation(self, fixed: Gst.Caps) -> tuple[bool, Gst.AllocationParams | None]:
        """Whether downstream reads VideoMeta, and the allocation parameters that it wants."""
        query = Gst.Query.new_allocation(fixed, True)
        if not self._src.peer_query(query):
            return False, None
        takes = bool(query.find_allocation_meta(GstVideo.video_meta_api_get_type())[0])
        if not query.get_n_allocation_params():
            return takes, None
        _, parameters = query.parse_nth_allocation_param(0)
        return takes, parameters

    def is_live(self) -> bool:
        """Whether upstream is live."""
        query = Gst.Query.new_latency()
        return bool(self._sink.peer_query(query) and query.parse_latency()[0])

    # -- Python errors must not reach GStreamer: it takes an exception for the value 0, which is GST_FLOW_OK or False

    def _chain(self, _pad: Gst.Pad, _parent: Gst.Object, buffer: Gst.Buffer) -> Gst.FlowReturn:
        try:
            if self._flow is None:
                return Gst.FlowReturn.FLUSHING
            if self._src.check_reconfigure():
                self._flow.renegotiate()
            self._flow.take(buffer)
        except FlowStop as stop:
            return stop.returned
        except Exception as error:  # noqa: BLE001  # it goes to the bus
            errors.post(self, error)
            return Gst.FlowReturn.ERROR
        return Gst.FlowReturn.OK

    def _safe(self, handler: Handler, pad: Gst.Pad, arg: Gst.MiniObject) -> bool:
        try:
            return bool(handler(pad, arg))
        except Exception as error:  # noqa: BLE001  # it goes to the bus
            errors.post(self, error)
            return False

    def _on_sink_event(self, pad: Gst.Pad, _parent: Gst.Object, event: Gst.Event) -> bool:
        return self._safe(self._sink_event, pad, event)

    def _on_sink_query(self, pad: Gst.Pad, _parent: Gst.Object, query: Gst.Query) -> bool:
        return self._safe(self._sink_query, pad, query)

    def _on_src_event(self, pad: Gst.Pad, _parent: Gst.Object, event: Gst.Event) -> bool:
        return self._safe(self._src_event, pad, event)

    def _on_src_query(self, pad: Gst.Pad, _parent: Gst.Object, query: Gst.Query) -> bool:
        return self._safe(self._src_query, pad, query)

    # -- events

    def _sink_event(self, _pad: Gst.Pad, event: Gst.Event) -> bool:
        flow, kind = self._flow, event.type
        if flow is None or kind == KIND.FLUSH_START:
            return self.push_event(event)
        if kind == KIND.CAPS:
            return flow.set_caps(event.parse_caps())
        if kind == KIND.FLUSH_STOP:
            lost = flow.flush()
            passed = self.push_event(event)
            for one in lost:
                self._src.store_sticky_event(one)  # it goes out with the next frame, after the segment
            return passed
        if kind in DRAINING and not (kind == KIND.SEGMENT and flow.is_in(event.parse_segment())):
            if not self._drained(flow, kind):
                return False
            if kind == KIND.SEGMENT:
                flow.set_segment(event.parse_segment())
            elif kind == KIND.GAP:
                flow.skip(*map(buffers.known, event.parse_gap()))
        elif _is_serialized(kind) and flow.keep_in_place(event):
            return True
        return self.push_event(event)

    @staticmethod
    def _drained(flow: Flow, kind: Gst.EventType) -> bool:
        """Drain -> whether the event may go on. EOS always may; and a stop that the next buffer will meet again."""
        try:
            flow.drain()
        except FlowStop as stop:
            return kind == KIND.EOS or stop.returned in {Gst.FlowReturn.FLUSHING, Gst.FlowReturn.EOS}
        return True

    def _src_event(self, pad: Gst.Pad, event: Gst.Event) -> bool:
        if self._flow is not None and event.type == KIND.QOS:
            _, _, late, stamp = event.parse_qos()
            if stamp != buffers.NONE:
                self._flow.pace.late_below(stamp, late)
        elif self._flow is not None and event.type == KIND.LATENCY:
            self._flow.pace.distributed(event.parse_latency())
        return bool(pad.event_default(self, event))

    # -- queries

    def _factor(self) -> Fraction:
        if self._flow is not None:
            return self._flow.factor
        return Fraction(1 if self._settings.mode == "deblur" else 2)

    def _sink_query(self, pad: Gst.Pad, query: Gst.Query) -> bool:
        if query.type == Gst.QueryType.CAPS:
            query.set_caps_result(caps.possible(pad, self._src, query.parse_caps(), 1 / self._factor()))
            return True
        if query.type == Gst.QueryType.ACCEPT_CAPS:
            query.set_accept_caps_result(caps.acceptable(pad, self._src, query.parse_accept_caps(), self._factor()))
            return True
        if query.type == Gst.QueryType.ALLOCATION:
            query.add_allocation_meta(GstVideo.video_meta_api_get_type(), None)
            fixed, _ = query.parse_allocation()
            info = caps.video_info(fixed) if fixed else None
            if info is not None and self._engine is not None:
                # As many are held as must follow a frame; one more is being worked on, and one is on its way here.
                query.add_allocation_pool(None, info.size, self._engine.lookahead + 2, 0)
            return True
        return bool(pad.query_default(self, query))

    def _src_query(self, pad: Gst.Pad, query: Gst.Query) -> bool:
        if query.type == Gst.QueryType.CAPS:
            query.set_caps_result(caps.possible(pad, self._sink, query.parse_caps(), self._factor()))
            return True
        if query.type == Gst.QueryType.LATENCY:
            if not self._sink.peer_query(query):
                return False
            live, least, most = query.parse_latency()
            mine = 0
            if self._flow is not None:
                self._flow.pace.asked(least)
                mine = self._flow.pace.latency
            query.set_latency(live, least + mine, most if most == buffers.NONE else most + mine)
            return True
        return bool(pad.query_default(self, query))


def _is_serialized(kind: Gst.EventType) -> bool:
    return bool(Gst.event_type_get_flags(kind) & Gst.EventTypeFlags.SERIALIZED)


def _weakly(method: PadFunction, gone: object = False) -> PadFunction:
    """A pad that owns a method of its own element would be a cycle through C, which nothing collects."""
    reference = weakref.WeakMethod(method)

    def call(pad: Gst.Pad, parent: Gst.Object, arg: Gst.MiniObject) -> object:
        function = reference()
        return gone if function is None else function(pad, parent, arg)

    return call
