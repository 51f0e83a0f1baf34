"""ALANET: E, M and G of one configuration. Holds weights and nothing else; what a stream remembers lies elsewhere."""

import torch
from torch import Tensor, nn

from alanet_core.config import ModelConfig
from alanet_core.latent import Attended, Latent, Window
from alanet_core.model.attention import LatentAttention
from alanet_core.model.encoder import Encoder
from alanet_core.model.flows import coarser
from alanet_core.model.generator import MiddleGenerator, SharpGenerator
from alanet_core.model.guided import GuidedMiddle, GuidedSharp, halvings
from alanet_core.model.halfway import halfway
from alanet_core.model.light import pyramid
from alanet_core.model.restore import Restore
from alanet_core.model.search import search, search_twice

_GENERATORS: dict[str, tuple[type[nn.Module], type[nn.Module]]] = {
    "mean": (SharpGenerator, MiddleGenerator),
    "guided": (GuidedSharp, GuidedMiddle),
}


class Alanet(nn.Module):
    """The network as three passive stages; `alanet_core.streaming` composes them.

    name: what the user called it, for messages; the weights do not depend on it.
    """

    def __init__(self, config: ModelConfig, name: str = "unnamed") -> None:
        super().__init__()
        self.config = config
        self.name = name
        self.encoder = Encoder(config)
        self.attention = LatentAttention(config)
        sharp, middle = _GENERATORS[config.fusion]
        self.sharp, self.middle = sharp(config), middle(config)
        self.restore = Restore(config) if config.restore else None
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack this overload

    @property
    def dtype(self) -> torch.dtype:
        """What features are computed in."""
        return self.attention.gates.squeeze.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.attention.gates.squeeze.device

    def brightness(self, pixels: Tensor, room: tuple[Tensor, ...] = ()) -> tuple[Tensor, ...]:
        """Where motion is looked for in a frame: its brightness at 1, 1/2, 1/4 ... of the size; () if it is not.

        room: such tensors, which a kernel writes to.
        """
        return pyramid(pixels, halvings(self.config), room) if self.config.fusion == "guided" else ()

    def encode(self, pixels: Tensor, area: tuple[int, int], light: tuple[Tensor, ...] | None = None) -> Latent:
        """E and the gates F of one frame (eq. 2; F of eq. 3 and 4).

        pixels: [B, 3, H, W] float32 RGB, 0..1, on the model's device, H and W multiples of config.multiple.
        area: true (height, width), which the gates pool over. light: its `brightness`, if that is known.
        """
        *skips, features = self.encoder(pixels)
        light = self.brightness(pixels) if light is None else light
        return Latent(self.attention.describe(features, area), tuple(skips), pixels, light)

    def attend(self, window: Window, *, sharp: bool = True, middle: bool = True) -> Attended:
        """M: z_n (eq. 5) and, where the window has a following frame, z_{n+1/2} (eq. 6)."""
        attended: Attended = self.attention(window, sharp=sharp, middle=middle)
        return attended

    def match(self, earlier: Latent, later: Latent, *, middle: bool = True) -> Tensor:
        """The motion between two frames that follow each other, once for all that is made of it.

        [B, C, h, w] float32 at the size where the last convolutions work: as the `halfway` frame sees it, four
        channels, unless no middle is wanted; then the answers of config.searches as `alanet_core.model.search` gives
        them, that of the finest search last. Of no channels for a network that does not look for motion.
        """
        return self.measure(earlier.light, later.light, middle=middle) if earlier.light else earlier.pixels[:, :0]

    def measure(self, earlier: tuple[Tensor, ...], later: tuple[Tensor, ...], *, middle: bool = True) -> Tensor:
        """The same of two frames' `brightness`, for a network that looks for motion."""
        finest = self.config.fold.bit_length() - 1
        if self.config.searches == 1:
            found = search(earlier[finest:], later[finest:])
        else:
            finer, found = search_twice(earlier[finest - 1 :], later[finest - 1 :])
            found = torch.cat((found, coarser(finer, 2)), 1)
        return torch.cat((halfway(found, earlier[finest], later[finest]), found), 1) if middle else found

    def generate_sharp(
        self, z: Tensor, frames: tuple[Latent, Latent, Latent], motions: tuple[Tensor, Tensor], tile: int = 0
    ) -> Tensor:
        """G for time n -> [B, 3, H, W] float32.

        frames: n-1, n, n+1; at the end of a shot, frame n stands in for a missing neighbour. motions: what `match`
        gives for the first two of them, and for the last two. tile: rows made at a time, to save memory; 0 for all;
        changes no pixel.
        """
        if self.restore is not None:
            assert isinstance(self.sharp, GuidedSharp)
            traced = self.sharp.trace(z, frames, motions, tile=tile)
            return self.restore(traced.picture, traced.scene, tile)[-1]
        picture: Tensor = self.sharp(z, frames, motions, tile)
        return picture

    def generate_middle(self, z: Tensor, frames: tuple[Latent, Latent], motion: Tensor, tile: int = 0) -> Tensor:
        """G for time n + 1/2 -> [B, 3, H, W] float32. frames: n, n+1; motion: what `match` gives for them."""
        if self.restore is not None:
            assert isinstance(self.middle, GuidedMiddle)
            traced = self.middle.trace(z, frames, motion, tile=tile)
            return self.restore(traced.picture, traced.scene, tile)[-1]
        picture: Tensor = self.middle(z, frames, motion, tile)
        return picture
