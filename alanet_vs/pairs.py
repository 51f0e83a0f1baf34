"""PairMaker: input frames in, the two frames of a pair out. What `native/render.c` calls, once for each n."""

from collections.abc import Mapping

import vapoursynth as vs
from torch import Tensor

import alanet_core as alanet
from alanet_core.color import MatrixName
from alanet_vs import shared
from alanet_vs.answer import Answer, answering
from alanet_vs.planes import pixel_format, read_rgb, write_rgb
from alanet_vs.props import NEXT, PREV, Cuts, cut_mark, finish_middle, finish_sharp

SLACK = 3  # frames more than one reach that are remembered: requests come in order but for a few threads' haste

Reach = Mapping[int, vs.VideoFrame]  # the input frames that a pair may depend on, by number


class PairMaker:
    """The pairs of one clip. Between calls it remembers latents, in a renderer, and nothing else.

    untagged: the matrix of YUV frames that do not say it, None to go by their size.
    """

    def __init__(
        self, model: alanet.Alanet, config: alanet.StreamConfig, length: int, untagged: MatrixName | None
    ) -> None:
        self.back, self.ahead = model.config.radius, model.config.lookahead
        self._device = model.device
        self._config = config
        self._length = length
        self._untagged = untagged
        self._renderer = alanet.WindowRenderer(model, config, length=length, slack=SLACK)

    @answering
    def __call__(self, n: int, first: int, f: vs.VideoFrame | list[vs.VideoFrame]) -> Answer:
        """Pair n. f: input frames first, first + 1, ... -> "sharp" and, unless the mode is deblur, "middle"."""
        reach = dict(enumerate(f if isinstance(f, list) else [f], first))  # a single value comes without a list
        return shared.compute(self._device, lambda: self._make(n, reach))

    def _make(self, n: int, reach: Reach) -> Answer:
        def fetch(k: int) -> Tensor:
            return read_rgb(reach[k], pixel_format(reach[k], self._untagged), self._device)

        def mark(k: int) -> bool | None:
            return cut_mark(reach.get(k - 1), reach[k])

        def cut(k: int) -> bool | None:
            known = mark(k)
            if known is None and k - 1 in reach and self._config.scene_threshold:
                return self._renderer.begins_shot(k, fetch)
            return known

        painted: dict[str, vs.VideoFrame] = {}

        def paint(_: int, kind: str, picture: Tensor) -> None:
            painted[kind] = self._painted(reach[n], picture)

        pair = self._renderer.pair(n, fetch, mark, paint)
        before = cut(n) if n else _said(reach[n], PREV)
        after = cut(n + 1) if n + 1 < self._length else _said(reach[n], NEXT)
        cuts = self._place(n, before, after, pair.middle_source)
        sharp = painted.get("sharp") or reach[n].copy()
        finish_sharp(sharp, "sharp" if "sharp" in painted else "input", cuts, halve=pair.middle is not None)
        if pair.middle is None:
            return {"sharp": sharp}
        middle = painted.get("middle") or self._instead(reach, pair, sharp)
        finish_middle(middle, pair.middle_source, cuts, reach[n], reach.get(n + 1))
        return {"sharp": sharp, "middle": middle}

    def _place(self, n: int, before: bool | None, after: bool | None, source: str) -> Cuts:
        """With scene_mode "next" the middle belongs to the shot after the cut; else to the one before it."""
        if n and before and self._config.mode != "deblur" and self._config.scene_mode == "next":
            before = False
        between = None if before is None and after is None else source == "next"
        return Cuts(before, between, after and source != "next")

    def _painted(self, source: vs.VideoFrame, picture: Tensor) -> vs.VideoFrame:
        frame = source.copy()
        write_rgb(frame, pixel_format(source, self._untagged), picture)
        return frame

    def _instead(self, reach: Reach, pair: alanet.FramePair, sharp: vs.VideoFrame) -> vs.VideoFrame:
        """The middle that the network has not made."""
        if pair.middle_source == "repeat":
            return sharp.copy()
        if pair.middle_source == "next":
            return reach[pair.n + 1].copy()
        assert pair.middle is not None
        return self._painted(reach[pair.n], pair.middle)


def _said(frame: vs.VideoFrame, mark: str) -> bool | None:
    """What the first or the last frame of a clip says of the cut beyond it."""
    value = frame.props.get(mark)
    return None if value is None else bool(value)
