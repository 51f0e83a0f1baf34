"""M: adaptive latent attention (section 4.2, eq. 3 to 6).

F(x_i) depends on x_i alone. So the gates are computed once, when a frame is encoded, and travel with its core; what
is left per output are the multiply-adds of eq. 5 and 6 on the bottleneck.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from alanet_core import native
from alanet_core.config import ModelConfig
from alanet_core.latent import Attended, Core, Window
from alanet_core.native import plain

MIDDLE_OFFSETS = (-1, 0, 1)  # of eq. 6: M_C(x_i|x_{i+1}) looks back by one, M_C(x_{i+1}|x_i) ahead by one


def pool_true_area(x: Tensor, area: tuple[int, int], scale: int) -> Tensor:
    """Mean of x [B, C, h, w] over the true picture only -> [B, C].

    area: true (height, width) in pixels; scale: pixels along one side of a cell. A cell that lies half in the
    padding counts by half.
    """
    height, width = area
    if (height, width) == (x.shape[2] * scale, x.shape[3] * scale):
        return x.mean((2, 3))
    rows = (height / scale - torch.arange(x.shape[2], device=x.device)).clamp(0, 1)
    columns = (width / scale - torch.arange(x.shape[3], device=x.device)).clamp(0, 1)
    weights = rows[:, None] * columns
    return ((x.float() * weights).sum((2, 3)) / weights.sum()).to(x.dtype)


class GateBank(nn.Module):
    """`count` channel gates F (RCAN's squeeze and excitation) that read the same descriptor.

    forward: pooled features [B, C] -> gates [B, count, C, 1, 1], each 0..1.
    The 1x1 convolutions of the paper act on a 1x1 picture, so they are matrices; all gates are one product.
    """

    def __init__(self, count: int, channels: int, reduction: int) -> None:
        super().__init__()
        squeezed = channels // reduction
        self.squeeze = nn.Parameter(torch.empty(count, squeezed, channels))
        self.squeeze_bias = nn.Parameter(torch.empty(count, squeezed))
        self.excite = nn.Parameter(torch.empty(count, channels, squeezed))
        self.excite_bias = nn.Parameter(torch.empty(count, channels))
        for parameter, inputs in (
            (self.squeeze, channels),
            (self.squeeze_bias, channels),
            (self.excite, squeezed),
            (self.excite_bias, squeezed),
        ):
            nn.init.uniform_(parameter, -1 / math.sqrt(inputs), 1 / math.sqrt(inputs))

    def forward(self, pooled: Tensor) -> Tensor:
        hidden = torch.relu(self.squeeze @ pooled.T + self.squeeze_bias[..., None])  # [count, squeezed, B]
        gates = torch.sigmoid(self.excite @ hidden + self.excite_bias[..., None])
        return gates.permute(2, 0, 1)[..., None, None]


class LatentAttention(nn.Module):
    """The gates by offset j - i (so that any window works), and the sums of eq. 5 and 6.

    Gates of a frame, in order: for sharp, offsets -W//2 .. W//2; for middle, offsets -1, 0, 1.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.window = config.window
        self.scale = config.multiple
        self.gates = GateBank(config.window + len(MIDDLE_OFFSETS), config.channels[-1], config.gate_reduction)

    def describe(self, features: Tensor, area: tuple[int, int]) -> Core:
        """features [B, C, h, w] of one frame, area its true (height, width) -> its core."""
        gates = self.gates
        if features.dtype == gates.squeeze.dtype == torch.float32 and native.serves(
            features, learnt=gates.parameters()
        ):
            cells = area[0] / self.scale, area[1] / self.scale
            squeeze, excite = (gates.squeeze, gates.squeeze_bias), (gates.excite, gates.excite_bias)
            return Core(features, plain.gates(features, cells, squeeze, excite))
        return Core(features, gates(pool_true_area(features, area, self.scale)))

    def sharp(self, window: Window) -> Tensor:
        """Eq. 5: z_n = M_S(x_n|x_n) + sum over the neighbours j of M_C(x_j|x_n); all gates are those of frame n."""
        own = self.window // 2
        others = [(core, k) for k, core in enumerate(window.cores) if k != own]
        frames = [(window.own, own), *others]
        return _sum([core.features for core, _ in frames], [window.own.gates[:, k] for _, k in frames])

    def middle(self, own: Core, following: Core) -> Tensor:
        """Eq. 6: each of the two frames through its own self gate and the other one's cross gate."""
        before, at, after = (self.window + position for position in range(len(MIDDLE_OFFSETS)))
        first = own.gates[:, at] + following.gates[:, before]
        second = following.gates[:, at] + own.gates[:, after]
        return _sum((own.features, following.features), (first, second))

    def forward(self, window: Window, *, sharp: bool, middle: bool) -> Attended:
        following = window.following
        return Attended(
            sharp=self.sharp(window) if sharp else None,
            middle=self.middle(window.own, following) if middle and following is not None else None,
        )


def _sum(features: Sequence[Tensor], gates: Sequence[Tensor]) -> Tensor:
    """Features [B, C, h, w] times gates [B, C, 1, 1], added up in their order."""
    if features[0].dtype == torch.float32 and native.serves(*features, learnt=gates):
        return plain.gated(features, gates)
    z = features[0] * gates[0]
    for x, gate in zip(features[1:], gates[1:], strict=True):
        z = z + x * gate
    return z
