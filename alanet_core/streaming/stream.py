"""AlanetStream: frames in, pairs out, in order. What a live pipeline or a file in one pass uses."""

from dataclasses import replace
from functools import cache
from typing import Literal

from torch import Tensor

from alanet_core import scenes
from alanet_core.config import StreamConfig
from alanet_core.errors import FrameError, StreamError, must
from alanet_core.frames import check_frame
from alanet_core.latent import FramePair
from alanet_core.model import Alanet
from alanet_core.streaming.overlap import Each, Early, Stages
from alanet_core.streaming.plan import Schedule, Task

Effort = Literal["full", "sharp", "none"]


class AlanetStream:
    """One stream through a loaded network. N pushes and a drain give N pairs, numbered 0, 1, ... in order.

    The network may serve many streams; a stream belongs to one thread at a time. Its memory is allocated at the
    first frame and does not grow.
    """

    def __init__(self, model: Alanet, config: StreamConfig | None = None) -> None:
        self._model = model
        self._config = config or StreamConfig()
        self._stages = Stages(model, self._config)
        self._schedule = Schedule(model.config.window)
        self._thumbnail: Tensor | None = None
        self._drained = False

    @property
    def lookahead(self) -> int:
        """How many frames must follow frame n before its pair can come: max(1, W // 2)."""
        return self._model.config.lookahead

    def push(
        self,
        frame: Tensor,
        *,
        cut: bool | None = None,
        effort: Effort = "full",
        early: Early | None = None,
        each: Each | None = None,
    ) -> list[FramePair]:
        """Take the next frame, give the pairs that can be made now (often one, at the start none, at a cut several).

        frame: [3, H, W] float32 RGB, gamma-coded, 0..1, on any device; it is not kept and not changed.
        cut: True where this frame begins a new shot, False where it does not, None to let `scenes` decide.
        effort: for a host that is late: how much is made for the pairs given now. "sharp": the middle repeats the sharp
            frame; "none": the input frame stands for both. The frame is remembered all the same: later pairs are whole.
        early: for a host that cannot wait: called with (n, sharp) as soon as the sharp frame of the one pair that is
            due is there, before its middle is begun; the pair follows as ever, with the same tensor. On a CPU it comes
            in about half the time, and the whole pair a little later than without. Not called where the network makes
            no middle, nor where several pairs are due at once. What it raises passes through, and that pair is lost.
        each: for a host that goes on with the pictures: called with (n, "sharp" or "middle", picture) for each that the
            network makes, those of a pair in any order, before push returns. On a CPU it is called on the thread that
            made it, beside the other one's making. What it raises passes through, as above.

        Raises FrameError for a frame that cannot be taken (of another size, say) and StreamError after a drain;
        in both cases the stream is as it was before.
        """
        if self._drained:
            raise StreamError(must("push", "called before drain", "a push after it", "call reset() to begin anew"))
        check_frame(frame)
        size = (frame.shape[1], frame.shape[2])
        if self._stages.size not in (None, size):
            raise FrameError(
                must(
                    "frame",
                    f"of the stream's size (height, width) = {self._stages.size}",
                    size,
                    "drain() and reset() before another size",
                )
            )
        begins_shot = cache(lambda: self._begins_shot(frame, cut))
        self._stages.encode(self._schedule.received, frame, lambda: not begins_shot() and effort != "none")
        return self._render(self._schedule.receive(begins_shot=begins_shot()), effort, early, each)

    def drain(self, each: Each | None = None) -> list[FramePair]:
        """No frame will follow: give the pairs that are left. A second drain gives none. each: as for `push`."""
        self._drained = True
        return self._render(self._schedule.finish(), each=each)

    def reset(self) -> None:
        """Forget everything and begin anew with frame 0; pairs not yet given are lost."""
        self._stages.clear()
        self._schedule = Schedule(self._model.config.window)
        self._thumbnail = None
        self._drained = False

    @property
    def encodes(self) -> int:
        """How many frames have been encoded since the stream was made."""
        return self._stages.encodes

    @property
    def nbytes(self) -> int:
        """Memory that the ring holds, in bytes."""
        return self._stages.ring.nbytes

    def _render(
        self, tasks: list[Task], effort: Effort = "full", early: Early | None = None, each: Each | None = None
    ) -> list[FramePair]:
        if effort != "full":
            tasks = [replace(task, middle="end") for task in tasks]
        if len(tasks) > 1:
            early = None  # a sharp frame must not be given before the pair before it
        return [self._stages.render(task, sharp=effort != "none", early=early, each=each) for task in tasks]

    def _begins_shot(self, frame: Tensor, cut: bool | None) -> bool:
        if not self._config.scene_threshold:
            return bool(cut)
        before, self._thumbnail = self._thumbnail, scenes.thumbnail(frame)
        if cut is not None or before is None:
            return bool(cut)
        return scenes.score(before, self._thumbnail) > self._config.scene_threshold
