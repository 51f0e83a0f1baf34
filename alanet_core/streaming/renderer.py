"""WindowRenderer: any pair of a clip, in any order, from several threads. What a host with random access uses."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from torch import Tensor

from alanet_core import scenes
from alanet_core.config import StreamConfig
from alanet_core.errors import FrameError, StreamError, must
from alanet_core.frames import check_frame
from alanet_core.latent import FramePair
from alanet_core.model import Alanet
from alanet_core.streaming.overlap import Each, Stages
from alanet_core.streaming.plan import Task, reach, task

Fetch = Callable[[int], Tensor]
Cut = Callable[[int], bool | None]
T = TypeVar("T")


class WindowRenderer:
    """Pairs of a clip of `length` frames of one size: the same ones that a stream gives, bit for bit in float32.

    The ring only remembers: in forward order each frame is encoded once, after a jump the frames of one reach anew.
    slack: frames more than one reach that are kept, for hosts that ask a little out of order.
    One lock guards the network's turn; the caller's own work (fetching, converting) runs beside it in other threads.
    """

    def __init__(self, model: Alanet, config: StreamConfig | None = None, *, length: int, slack: int = 8) -> None:
        if length < 1:
            raise StreamError(must("length", "1 frame or more", length, "give the number of frames in the clip"))
        self._model = model
        self._config = config or StreamConfig()
        self._length = length
        self._stages = Stages(model, self._config, slack)
        self._thumbnails: OrderedDict[int, Tensor] = OrderedDict()
        self._cuts: OrderedDict[int, bool] = OrderedDict()  # where `scenes` found some, or none
        self._frames_known = 2 * self._stages.ring.core_depth
        self._lock = Lock()

    def reach(self, n: int) -> range:
        """The frame numbers that pair n may depend on; `fetch` and `cut` are asked for no others."""
        self._check(n)
        return reach(n, self._model.config.window, self._length)

    def pair(self, n: int, fetch: Fetch, cut: Cut | None = None, each: Each | None = None) -> FramePair:
        """Pair n, 0 <= n < length.

        fetch(k): frame k, [3, H, W] float32 RGB, 0..1, on any device; not kept, not changed; any exception of its
            own passes through and spoils nothing.
        cut(k): True where frame k begins a new shot, False where it does not, None to let `scenes` decide.
        each: as for `AlanetStream.push`.

        Raises StreamError for n outside the clip, FrameError for a frame that cannot be taken.
        """
        self._check(n)
        with self._lock:
            fetched: dict[int, Tensor] = {}

            def frame(k: int) -> Tensor:
                if k not in fetched:
                    fetched[k] = self._checked(fetch(k))
                return fetched[k]

            def begins_shot(k: int) -> bool:
                mark = cut(k) if cut else None
                return self._found_cut(k, frame) if mark is None else mark

            work = task(n, self._model.config.window, begins_shot, self._length)
            self._encode_missing(work, frame)
            return self._stages.render(work, each=each)

    def begins_shot(self, k: int, fetch: Fetch) -> bool:
        """Whether `scenes` finds a cut between frames k - 1 and k, 1 <= k < length; for hosts that pass it on.

        fetch(k): as for `pair`, asked for these two frames at most, and for none that a pair was made of lately.
        """
        self._check(k - 1)
        self._check(k)
        with self._lock:
            return self._found_cut(k, lambda number: self._checked(fetch(number)))

    @property
    def encodes(self) -> int:
        """How many times a frame has been encoded so far."""
        return self._stages.encodes

    @property
    def nbytes(self) -> int:
        """Memory that the ring holds, in bytes."""
        return self._stages.ring.nbytes

    def _encode_missing(self, work: Task, frame: Fetch) -> None:
        """In ascending order: a frame that is put can then displace only frames that this pair is through with."""
        heavy = range(work.n - self._model.config.reach_back, work.n + 2)
        ring = self._stages.ring
        for k in work.reads:
            if not (ring.has_latent(k) if k in heavy else ring.has_core(k)):
                self._stages.encode(k, frame(k), lambda k=k: work.previous < k <= work.following)  # type: ignore[misc]

    def _check(self, n: int) -> None:
        if not 0 <= n < self._length:
            raise StreamError(
                must("n", f"a frame number from 0 to {self._length - 1}", n, "ask for a frame of the clip")
            )

    def _checked(self, frame: Tensor) -> Tensor:
        check_frame(frame)
        size = (frame.shape[1], frame.shape[2])
        if self._stages.size not in (None, size):
            raise FrameError(
                must(
                    "frame",
                    f"of the clip's size (height, width) = {self._stages.size}",
                    size,
                    "use one renderer for each size",
                )
            )
        return frame

    def _found_cut(self, k: int, frame: Fetch) -> bool:
        if not self._config.scene_threshold:
            return False
        if k not in self._cuts:
            before, after = self._thumbnail(k - 1, frame), self._thumbnail(k, frame)
            self._cuts[k] = scenes.score(before, after) > self._config.scene_threshold
            _forget(self._cuts, self._frames_known)
        return self._cuts[k]

    def _thumbnail(self, k: int, frame: Fetch) -> Tensor:
        if k not in self._thumbnails:
            self._thumbnails[k] = scenes.thumbnail(frame(k))
            _forget(self._thumbnails, self._frames_known)
        return self._thumbnails[k]


def _forget(memory: OrderedDict[int, T], kept: int) -> None:
    """What has been known for longest, where there is too much."""
    if len(memory) > kept:
        memory.popitem(last=False)
