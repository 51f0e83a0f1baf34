"""A whole clip at once: for training, and as the plain reference that every stream is compared with."""

import itertools
from collections.abc import Sequence

from torch import Tensor

from alanet_core.latent import Core, Latent, Window
from alanet_core.model.alanet import Alanet


def encode_clip(model: Alanet, frames: Tensor, area: tuple[int, int] | None = None) -> list[Latent]:
    """Encode frames [B, N, 3, H, W] together -> N latents of batch B. area: true (height, width), default all."""
    batch, count = frames.shape[:2]
    whole = model.encode(frames.flatten(0, 1), area or (frames.shape[3], frames.shape[4]))

    def at(x: Tensor, n: int) -> Tensor:
        return x.view(batch, count, *x.shape[1:])[:, n]

    return [
        Latent(
            Core(at(whole.core.features, n), at(whole.core.gates, n)),
            tuple(at(skip, n) for skip in whole.skips),
            at(whole.pixels, n),
            tuple(at(plane, n) for plane in whole.light),
        )
        for n in range(count)
    ]


def render(model: Alanet, latents: Sequence[Latent], n: int) -> tuple[Tensor, Tensor]:
    """Sharp and middle of frame n, each [B, 3, H, W] float32; the nearest frame stands in for a missing one.

    For the last frame there is no middle to make; its sharp frame is given twice, as a stream does.
    """
    last = len(latents) - 1
    radius = model.config.radius

    def near(k: int) -> Latent:
        return latents[min(max(k, 0), last)]

    following = near(n + 1).core if n < last else None
    window = Window(tuple(near(k).core for k in range(n - radius, n + radius + 1)), following)
    z = model.attend(window)
    assert z.sharp is not None
    frames = near(n - 1), near(n), near(n + 1)
    before, after = (model.match(*pair) for pair in itertools.pairwise(frames))
    sharp = model.generate_sharp(z.sharp, frames, (before, after))
    middle = sharp if z.middle is None else model.generate_middle(z.middle, frames[1:], after)
    return sharp, middle
