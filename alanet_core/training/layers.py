"""Layers: textures cut from pictures, with masks, posed by a path and seen through a square pixel."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core.training.motion import Complex, Path, Pose, Real, Rng

TEXELS = 2
"""Texels per pixel and direction: bilinear sampling of a finer texture neither blurs with the phase nor shimmers."""

_BYTES = torch.uint8


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A texture that moves.

    texture: [1,C,h,w] float32, 0..255, TEXELS per pixel: C = 3 fills the frame, C = 4 is premultiplied RGB and cover.
    home: where the texture's middle is at time 0, in pixels from the middle of the frame, x + iy.
    paths: what moves it, one after the other: its own, and then the camera's.
    wave: None, or (field [H,W] complex64, angular frequency, phase): a displacement in pixels that swells and ebbs.
    """

    texture: Tensor
    home: complex
    paths: tuple[Path, ...]
    wave: tuple[Tensor, float, float] | None = None

    def grid(self, times: Real, rows: range, columns: range, size: tuple[int, int]) -> Tensor:
        """Where in the texture the pixels of a part of the frame lie, as grid_sample wants it: [T,rows,columns,2]."""
        turn, shift = self._inverse(times)
        width = torch.tensor([self.texture.shape[3], self.texture.shape[2]], dtype=torch.float32)
        scale = torch.view_as_complex(2 * TEXELS / (width - 1))  # half the texture is 1 in the grid's units
        x = np.asarray(columns) + 0.5 - size[1] / 2
        y = np.asarray(rows) + 0.5 - size[0] / 2
        along = torch.from_numpy((np.multiply.outer(turn, x) + shift[:, None]).astype(np.complex64))
        down = torch.from_numpy(np.multiply.outer(turn, 1j * y).astype(np.complex64))
        where = along[:, None] + down[..., None]
        if self.wave is not None:
            field, tone, phase = self.wave
            swing = torch.from_numpy(np.sin(tone * times + phase).astype(np.float32))
            where += swing[:, None, None] * field[rows.start : rows.stop, columns.start : columns.stop]
        return torch.view_as_real(where).mul_(torch.view_as_real(scale))

    def reach(self, times: Real, size: tuple[int, int]) -> tuple[range, range]:
        """The rows and columns that the layer touches at any of the times: a box round its circle."""
        radius = math.hypot(*self.texture.shape[2:]) / (2 * TEXELS)
        turn, shift = self._inverse(times)
        middle = -shift / turn
        far = radius / np.abs(turn) + (0.0 if self.wave is None else float(self.wave[0].abs().max()) / np.abs(turn))
        return (
            _clip_range((middle.imag - far).min() + size[0] / 2, (middle.imag + far).max() + size[0] / 2, size[0]),
            _clip_range((middle.real - far).min() + size[1] / 2, (middle.real + far).max() + size[1] / 2, size[1]),
        )

    def _inverse(self, times: Real) -> tuple[Complex, Complex]:
        """turn and shift of the way from a pixel of the frame to a point of the texture: q = turn * p + shift."""
        turn, shift = np.ones(len(times), complex), np.zeros(len(times), complex)
        for path in reversed(self.paths):
            turn, shift = _undo(path.pose(times), turn, shift)
        return turn, shift - self.home


def _undo(pose: Pose, turn: Complex, shift: Complex) -> tuple[Complex, Complex]:
    """Follow the affine way (turn, shift) by the inverse of a pose."""
    return turn / pose.turn, (shift - pose.shift - pose.centre) / pose.turn + pose.centre


def _clip_range(low: float, high: float, size: int) -> range:
    return range(min(max(math.floor(low), 0), size), min(max(math.ceil(high) + 1, 0), size))


def cut_texture(rng: Rng, photo: Tensor, height: float, width: float, *, quarter_turns: bool = True) -> Tensor:
    """A random part of a photo as a texture for height x width pixels: [1,3,h,w] float32, band-limited to the pixels.

    Between 0.9 and 2.2 photo pixels become one pixel, as the photo's size allows; what does not fit is reflected.
    """
    if quarter_turns:
        photo = torch.rot90(photo, int(rng.integers(4)), (1, 2))
    if rng.random() < 0.5:
        photo = photo.flip(2)
    shrink = min(rng.uniform(0.9, 2.2), max(0.9, photo.shape[1] / height), max(0.9, photo.shape[2] / width))
    wanted = (height * shrink, width * shrink)
    h, w = (min(max(round(want), 8), have) for want, have in zip(wanted, photo.shape[1:], strict=True))
    top, left = int(rng.integers(photo.shape[1] - h + 1)), int(rng.integers(photo.shape[2] - w + 1))
    part = photo[None, :, top : top + h, left : left + w].contiguous()
    size = (max(round(TEXELS * h / shrink), 4), max(round(TEXELS * w / shrink), 4))
    texels = F.interpolate(part, size=size, mode="bilinear", antialias=True).float()
    # The aperture of a square pixel: without it, detail finer than the pixels would shimmer.
    texels = texels[..., 1:, :] + texels[..., :-1, :]
    return (texels[..., 1:] + texels[..., :-1]).mul_(0.25)


def backdrop(rng: Rng, photo: Tensor, seen: tuple[complex, complex], paths: tuple[Path, ...]) -> Layer:
    """A layer that fills the frame. seen: two corners of the part of the plane that comes into view, x + iy."""
    extent = seen[1] - seen[0]
    return Layer(texture=cut_texture(rng, photo, extent.imag, extent.real), home=(seen[0] + seen[1]) / 2, paths=paths)


def cutout(rng: Rng, photo: Tensor, cover: Tensor, home: complex, paths: tuple[Path, ...]) -> Layer:
    """A layer with a shape; cover: [h,w] float32, 0..1, TEXELS per pixel."""
    h, w = cover.shape
    texture = cut_texture(rng, photo, (h + 1) / TEXELS, (w + 1) / TEXELS)
    texture = F.interpolate(texture, size=(h, w), mode="bilinear") if texture.shape[2:] != (h, w) else texture
    return Layer(texture=torch.cat((texture * cover, 255 * cover[None, None]), 1), home=home, paths=paths)
