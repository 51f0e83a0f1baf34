"""Decoded pictures as RGB for the network, and its pairs as pictures for the encoder."""

import av
import torch
from torch import Tensor

from alanet_core.color import PixelFormat, from_rgb, to_rgb
from alanet_core.media.codecs import OutputPlan
from alanet_core.media.formats import frame_of, planar_name, planes_of, to_planar


class Pictures:
    """The two conversions of one file, which know its pixel format and the output's.

    name, fmt: the planar twin of the input's pixel format, and what its planes mean.
    """

    def __init__(self, name: str, fmt: PixelFormat, plan: OutputPlan) -> None:
        self._name = name
        self._fmt = fmt
        self._plan = plan
        self._target = planar_name(plan.pix_fmt)

    def rgb(self, picture: av.VideoFrame, device: torch.device) -> Tensor:
        """[3, H, W] float32 on `device`. The picture is only read."""
        planar = to_planar(picture, self._name)
        return to_rgb(planes_of(planar, self._fmt), self._fmt, device)

    def painted(self, rgb: Tensor, carrier: av.VideoFrame | None = None) -> av.VideoFrame:
        """`rgb` in the output's format. A carrier of that format is painted over and returned, so that what hangs on it
        (captions, time codes) goes along; the decoder's own copy of it is not touched.
        """
        if carrier is not None and carrier.format.name == self._plan.pix_fmt == self._target:
            carrier.make_writable()
            from_rgb(rgb, self._plan.fmt, planes_of(carrier, self._plan.fmt))
            return carrier
        return self._packed(self._drawn(rgb))

    def untouched(self, picture: av.VideoFrame) -> av.VideoFrame:
        """The input picture for the encoder: bit for bit where both formats hold the same planes, else converted."""
        if picture.format.name == self._plan.pix_fmt:
            return picture
        planar = to_planar(picture, self._name)
        planes = planes_of(planar, self._fmt)
        if self._fmt == self._plan.fmt:
            return self._packed(frame_of(planes, self._target, self._plan.fmt))
        return self._packed(self._drawn(to_rgb(planes, self._fmt)))

    def _drawn(self, rgb: Tensor) -> av.VideoFrame:
        """A new frame, planar."""
        frame = av.VideoFrame(rgb.shape[2], rgb.shape[1], self._target)
        from_rgb(rgb, self._plan.fmt, planes_of(frame, self._plan.fmt))
        return frame

    def _packed(self, frame: av.VideoFrame) -> av.VideoFrame:
        return frame if self._target == self._plan.pix_fmt else to_planar(frame, self._plan.pix_fmt)
