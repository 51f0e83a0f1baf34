"""What travels between the stages. The shape legend of the whole core:

    B batch        N frames of a clip    W frames of a window (eq. 5)
    C channels     H, W height and width of the padded picture (in shapes W is always the width)
    h, w height and width of a level     n a frame number    position a place in a window, 0..window-1 in time order

Pictures are RGB, gamma-coded, float32, nominally 0..1; features have the network's dtype; flows are float32, in
pixels of their level, x first.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

MiddleSource = Literal["made", "repeat", "blend", "next", "none"]


@dataclass(frozen=True)
class Core:
    """The small part of a frame's latent: what other frames of the window read of it.

    features: x_n of eq. 2, [B, C, h, w] at the bottleneck.
    gates: F(x_n) of eq. 3 and 4 for every place where it is used, [B, G, C, 1, 1]; computed once per frame.
    """

    features: Tensor
    gates: Tensor


@dataclass(frozen=True)
class Latent:
    """A frame as the encoder leaves it: the core, and the heavy part that only the generators next to it read.

    skips: features of the levels above the bottleneck, finest first, each [B, C, h, w].
    pixels: the padded picture, [B, 3, H, W] float32.
    light: its brightness at 1, 1/2, 1/4 ... of the size, [B, 1, ...] float32 each, where motion is looked for in it.
    """

    core: Core
    skips: tuple[Tensor, ...]
    pixels: Tensor
    light: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Window:
    """What attention reads for frame n: W cores in time order, n in the centre, and n+1 where there is a middle."""

    cores: tuple[Core, ...]
    following: Core | None

    @property
    def own(self) -> Core:
        """The core of frame n."""
        return self.cores[len(self.cores) // 2]


@dataclass(frozen=True)
class Attended:
    """z_n (eq. 5) and z_{n+1/2} (eq. 6), each [B, C, h, w]; None where it is not wanted."""

    sharp: Tensor | None
    middle: Tensor | None


@dataclass(frozen=True)
class FramePair:
    """The two outputs that belong to input frame n. The tensors are the caller's own: nothing writes to them later.

    sharp: [3, H, W] float32 RGB, nominally 0..1 and not clamped; in mode "interpolate" the input frame itself.
    middle: the same at time n + 1/2; None in mode "deblur".
    middle_source: "made" by the network; "repeat": middle is sharp, the same tensor (end of a clip, or a cut);
        "next": input frame n+1; "blend": the mean of sharp n and input n+1; "none": there is no middle.
    """

    n: int
    sharp: Tensor
    middle: Tensor | None
    middle_source: MiddleSource
