"""Canvas: a picture of any size on the multiple that the network needs, and back."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core.errors import FrameError, must


@dataclass(frozen=True)
class Canvas:
    """True size (height, width) and padded size (rows, columns) of one picture.

    The picture lies at the top left. What is added is its reflection (where the picture is too small for that, its
    edge repeated), never zeros, and it is left out of every pooling.
    """

    height: int
    width: int
    multiple: int

    @property
    def rows(self) -> int:
        """Padded height."""
        return -(-self.height // self.multiple) * self.multiple

    @property
    def columns(self) -> int:
        """Padded width."""
        return -(-self.width // self.multiple) * self.multiple

    @property
    def area(self) -> tuple[int, int]:
        """The true (height, width), which is what gates pool over."""
        return self.height, self.width

    def pad(self, frame: Tensor) -> Tensor:
        """[..., height, width] -> [..., rows, columns]; a view of `frame` where nothing has to be added."""
        bottom, right = self.rows - self.height, self.columns - self.width
        if right:
            frame = _pad(frame, (0, right, 0, 0), reflect=right < self.width)
        if bottom:
            frame = _pad(frame, (0, 0, 0, bottom), reflect=bottom < self.height)
        return frame

    def crop(self, frame: Tensor) -> Tensor:
        """[..., rows, columns] -> [..., height, width], a view."""
        return frame[..., : self.height, : self.width]


def _pad(frame: Tensor, amounts: tuple[int, int, int, int], *, reflect: bool) -> Tensor:
    return F.pad(frame, amounts, mode="reflect" if reflect else "replicate")


def check_frame(frame: Tensor) -> None:
    """Refuse what is not one RGB picture: [3, H, W], float32, at least 1x1. Raises FrameError."""
    if frame.dim() != 3 or frame.shape[0] != 3 or 0 in frame.shape:
        raise FrameError(
            must(
                "frame", "of shape [3, height, width]", tuple(frame.shape), "pass one RGB picture with its planes first"
            )
        )
    if frame.dtype != torch.float32:
        raise FrameError(
            must(
                "frame",
                "float32 with values 0..1",
                frame.dtype,
                "convert with alanet_core.color.to_rgb or frame.float() / 255",
            )
        )
