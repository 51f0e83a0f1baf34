"""The buffers that go out: made from a picture, or the input once more under another time."""

from fractions import Fraction
from typing import TYPE_CHECKING

from alanet_gst import buffers, metas
from alanet_gst.gst import Gst, GstVideo

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from alanet_gst.pixels import Layout


class Outputs:
    """For one set of caps. layout: a pixels.Layout. parameters: what downstream wants of its memory."""

    def __init__(
        self,
        info: GstVideo.VideoInfo,
        layout: "Layout",
        factor: Fraction,
        *,
        takes_strides: bool,
        parameters: Gst.AllocationParams | None,
    ) -> None:
        self._info = info
        self._layout = layout
        self._doubles = factor == 2
        self._takes_strides = takes_strides
        self._parameters = parameters

    def read(self, source: Gst.Buffer, device: "torch.device") -> "Tensor":
        """An input buffer -> [3, H, W] float32 RGB on `device`. Raises Trouble for one that is too short."""
        with buffers.reading(source, self._info) as mapped:
            rgb: Tensor = self._layout.read(*mapped, device)
        return rgb

    def picture(self, rgb: "Tensor", source: Gst.Buffer, *, middle: bool) -> Gst.Buffer:
        """A new buffer with that picture; flags, metas, alpha and filler are those of the input buffer `source`."""
        out = buffers.fresh(source, self._info, self._parameters)
        with buffers.writing(out, self._info) as target:
            if self._layout.others:
                with buffers.reading(source, self._info) as mapped:
                    self._layout.copy_others(mapped, target)
            self._layout.write(rgb, *target)
        return self._timecoded(out, source, middle=middle)

    def again(self, source: Gst.Buffer, *, middle: bool, frame: Gst.Buffer | None = None) -> Gst.Buffer:
        """The input buffer's own memory in a new buffer; copied where downstream could not read its strides.

        frame: the input buffer whose time it takes, where that is another one.
        """
        if self._takes_strides or buffers.has_default_layout(source, self._info):
            out = buffers.shared(source)
        else:
            out = buffers.fresh(source, self._info, self._parameters)
            with buffers.writing(out, self._info) as target, buffers.reading(source, self._info) as mapped:
                self._layout.copy(mapped, target)
        return self._timecoded(out, frame or source, middle=middle)

    def repeat(self, sharp: Gst.Buffer, source: Gst.Buffer) -> Gst.Buffer:
        """The sharp buffer's memory once more, as the middle of the input buffer `source`."""
        return self._timecoded(buffers.shared(sharp), source, middle=True)

    def _timecoded(self, out: Gst.Buffer, source: Gst.Buffer, *, middle: bool) -> Gst.Buffer:
        if self._doubles:
            metas.double_timecode(source, out, middle=middle)
        return out
