"""The way out: a held frame's two buffers, made, stamped and pushed in order."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from alanet_gst import buffers, metas
from alanet_gst.gst import Gst
from alanet_gst.outputs import Outputs
from alanet_gst.qos import Level
from alanet_gst.stats import Stats
from alanet_gst.timing import halves

if TYPE_CHECKING:
    from torch import Tensor

    from alanet_core import FramePair


class FlowStop(Exception):
    """Downstream takes no more; its flow return goes up."""

    def __init__(self, returned: Gst.FlowReturn) -> None:
        super().__init__(returned)
        self.returned = returned


class Exit(Protocol):
    """The element, as far as things go out through it."""

    def push(self, address: int) -> Gst.FlowReturn:
        """Push a disowned buffer."""

    def push_event(self, event: Gst.Event) -> bool:
        """Push an event downstream."""


@dataclass(eq=False)
class Held:
    """An input frame on its way.

    events: those that came before it. fed: the network has it, so it waits for its `pair`. sent: its sharp frame is
    out.
    """

    buffer: Gst.Buffer
    pts: int
    duration: int | None
    arrived: int
    discont: bool
    events: list[Gst.Event]
    fed: bool
    pair: "FramePair | None" = None
    level: Level = Level.BYPASS
    sent: bool = False

    @property
    def made(self) -> "FramePair | None":
        """What the network made for it, where it was asked to."""
        return self.pair if self.level < Level.PASS else None


class Sender:
    """Sends what belongs to a frame.

    departed: when the first buffer went out, since it was last set to None. latest: when the last one did. pushing: ns
    spent downstream so far.
    """

    def __init__(self, way_out: Exit, stats: Stats, mode: str) -> None:
        self._exit = way_out
        self._stats = stats
        self._mode = mode
        self.departed: int | None = None
        self.latest = 0
        self.pushing = 0

    def send(self, held: Held, following: Held | None, step: int, outputs: Outputs) -> None:
        """The frame's outputs. step: signed time to the next frame.

        Raises FlowStop.
        """
        self._count(held)
        again = None if held.sent else self.send_sharp(held, step, outputs)
        if self._mode != "deblur":
            where = halves(held.pts, step)
            out, source = self._middle(held, following, again, outputs)
            metas.move_references(out, where.middle_pts - source.pts, where.middle_duration)
            buffers.stamp(out, where.middle_pts, where.middle_duration, discont=False)
            address = buffers.disown(out)
            del out, again
            self._push(address)

    def send_sharp(self, held: Held, step: int, outputs: Outputs, early: "Tensor | None" = None) -> Gst.Buffer | None:
        """The events before it and the sharp frame -> its memory once more, where the middle will repeat it.

        early: the sharp frame of a pair that is still being made.
        """
        held.sent = True
        for event in held.events:
            self._exit.push_event(event)
        made = held.made if self._mode != "interpolate" else None
        sharp = made.sharp if made is not None else early
        if sharp is None:
            out = outputs.again(held.buffer, middle=False)
        else:
            with self._stats.timed("write"):
                out = outputs.picture(sharp, held.buffer, middle=False)
        doubles = self._mode != "deblur"
        duration = halves(held.pts, step).sharp_duration if doubles else held.duration or abs(step) or None
        buffers.stamp(out, held.pts, duration, discont=held.discont)
        again = None
        if doubles:
            metas.move_references(out, 0, duration)
        if doubles and made is not None and made.middle_source == "repeat":
            again = outputs.repeat(out, held.buffer)
        self._stats.delayed(time.monotonic_ns() - held.arrived)
        address = buffers.disown(out)
        del out
        self._push(address)
        return again

    def _middle(
        self, held: Held, following: Held | None, again: Gst.Buffer | None, outputs: Outputs
    ) -> tuple[Gst.Buffer, Held]:
        """-> the middle, and the frame whose metas it has."""
        pair = held.made
        if pair is not None and pair.middle_source in {"made", "blend"}:
            assert pair.middle is not None
            with self._stats.timed("write"):
                return outputs.picture(pair.middle, held.buffer, middle=True), held
        if pair is not None and pair.middle_source == "next" and following is not None:
            return outputs.again(following.buffer, middle=True, frame=held.buffer), following
        return outputs.again(held.buffer, middle=True) if again is None else again, held

    def _count(self, held: Held) -> None:
        made = held.made
        names = ["passed" if made is None else "sharp"]
        if self._mode != "deblur":
            names.append("made" if made is not None and made.middle_source == "made" else "repeated")
        self._stats.count(*names, held=-1)

    def _push(self, address: int) -> None:
        began = self.latest = time.monotonic_ns()
        self.departed = self.departed or began
        with self._stats.timed("push"):
            returned = self._exit.push(address)
        self.pushing += time.monotonic_ns() - began
        if returned != Gst.FlowReturn.OK:
            raise FlowStop(returned)
