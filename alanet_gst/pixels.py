"""Between a buffer's bytes and the network's RGB: component views over mapped memory, no copy of their own.

Imported on NULL -> READY, as it needs numpy and torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from alanet_core.color import PixelFormat, from_rgb, to_rgb
from alanet_gst.buffers import Mapped
from alanet_gst.errors import TooShort
from alanet_gst.gst import GstVideo

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Component:
    """One colour component (or alpha, or filler) of a format: where its samples lie in a plane.

    offset, step: of the first sample and from sample to sample, in bytes. shift: unused bits below the value.
    """

    plane: int
    offset: int
    step: int
    rows: int
    columns: int
    size: int
    shift: int = 0

    def view(self, memory: memoryview, offsets: Sequence[int], strides: Sequence[int]) -> Array:
        """[rows, columns] over `memory`, which must stay mapped. Raises TooShort."""
        start = int(offsets[self.plane]) + self.offset
        kind = np.dtype("u1" if self.size == 1 else "<u2")
        try:
            return np.ndarray((self.rows, self.columns), kind, memory, start, (int(strides[self.plane]), self.step))
        except (TypeError, ValueError) as error:  # numpy's two words for memory that ends too early
            raise TooShort(str(error)) from error

    def is_a_plane(self, view: Array) -> bool:
        """Whether the view's samples are values that lie side by side, in rows of whole samples, as torch has them."""
        return not self.shift and self.step == self.size and view.strides[0] % self.size == 0


@dataclass(frozen=True)
class Layout:
    """The components of fixed caps: those of the colour in the order of PixelFormat's planes, and the rest."""

    colors: tuple[Component, ...]
    others: tuple[Component, ...]
    meaning: PixelFormat

    @classmethod
    def of(cls, info: GstVideo.VideoInfo, meaning: dict[str, Any], alpha: bool) -> "Layout":
        """info: a GstVideoInfo. meaning: as `caps.pixel_format` gives it. alpha: the last component is opacity."""
        finfo = info.finfo
        everything = [_component(info, number) for number in range(finfo.n_components)]
        colors = everything[:-1] if alpha else everything
        others = everything[-1:] if alpha else _filler(colors)
        return cls(tuple(colors), tuple(others), PixelFormat(**meaning))

    def read(self, memory: memoryview, offsets: Sequence[int], strides: Sequence[int], device: torch.device) -> Tensor:
        """-> [3, H, W] float32 RGB on `device`; nothing of it lies in `memory`. Raises TooShort."""
        planes = []
        for color in self.colors:
            view = color.view(memory, offsets, strides)
            if color.shift:
                view = view >> color.shift
            elif not color.is_a_plane(view):
                view = np.ascontiguousarray(view)  # quicker than torch at gathering
            planes.append(torch.from_numpy(view))
        return to_rgb(planes, self.meaning, device)

    def write(self, rgb: Tensor, memory: memoryview, offsets: Sequence[int], strides: Sequence[int]) -> None:
        """[3, H, W] float RGB on any device -> the colour components in mapped, writable `memory`."""
        views = [(color, color.view(memory, offsets, strides)) for color in self.colors]
        planes = [view if color.is_a_plane(view) else np.empty(view.shape, view.dtype) for color, view in views]
        from_rgb(rgb, self.meaning, [torch.from_numpy(plane) for plane in planes])
        for (color, view), plane in zip(views, planes, strict=True):
            if plane is not view:
                np.copyto(view, plane << color.shift if color.shift else plane)

    def copy_others(self, source: Mapped, target: Mapped) -> None:
        """Alpha and filler from one (memory, offsets, strides) to another: the network knows nothing of them."""
        _copy(self.others, source, target)

    def copy(self, source: Mapped, target: Mapped) -> None:
        """The whole picture from one (memory, offsets, strides) to another."""
        _copy((*self.colors, *self.others), source, target)


# Where GStreamer 1.22's table is wrong: the second chroma sample of a 16-bit pair lies two bytes on, and VYUY begins
# with V. Its own packing and unpacking do not read the table.
FIRST_BYTES = dict.fromkeys(("P010_10LE", "P012_LE", "P016_LE"), (0, 0, 2)) | {"VYUY": (1, 2, 0)}


def _component(info: GstVideo.VideoInfo, number: int) -> Component:
    finfo = info.finfo
    return Component(
        plane=int(finfo.plane[number]),
        offset=int(FIRST_BYTES.get(finfo.name, finfo.poffset)[number]),
        step=int(finfo.pixel_stride[number]),
        rows=-(-info.height >> int(finfo.h_sub[number])),
        columns=-(-info.width >> int(finfo.w_sub[number])),
        size=(int(finfo.depth[number]) + 7) // 8,
        shift=int(finfo.shift[number]),
    )


def _filler(colors: Sequence[Component]) -> list[Component]:
    """The x of RGBx and its kin: the byte of a pixel that no component has."""
    first = colors[0]
    if first.step != 4 * first.size or len(colors) != 3 or any(color.step != first.step for color in colors):
        return []
    (free,) = set(range(0, first.step, first.size)) - {color.offset for color in colors}
    return [Component(first.plane, free, first.step, first.rows, first.columns, first.size)]


def _copy(components: Sequence[Component], source: Mapped, target: Mapped) -> None:
    for component in components:
        np.copyto(component.view(*target), component.view(*source))
