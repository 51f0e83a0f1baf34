"""The few parts that every stage is made of."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.1  # of every LeakyReLU, as in Super SloMo's U-Net, from which E and G are taken


def activate(x: Tensor) -> Tensor:
    """LeakyReLU with the slope of the family."""
    return F.leaky_relu(x, SLOPE)


def conv(inputs: int, outputs: int, kernel: int = 3) -> nn.Conv2d:
    """A convolution that keeps the size.

    It begins as He et al. (2015) have it, so that features are as large at the end of the network as at its start;
    torch's own beginning shrinks them to less than half in each layer, and such a network learns nothing for hours.
    """
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    nn.init.kaiming_normal_(layer.weight, a=SLOPE, nonlinearity="leaky_relu")
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def of_parts(layer: nn.Conv2d, parts: Iterable[Tensor]) -> Tensor:
    """The convolution of the parts' concatenation along the channels, which is never made: a sum of convolutions."""
    total, start = None, 0
    for part in parts:
        weight = layer.weight[:, start : start + part.shape[1]]
        bias = layer.bias if total is None else None
        made = F.conv2d(part, weight, bias, padding=layer.padding)
        total, start = made if total is None else total + made, start + part.shape[1]
    assert total is not None
    return total


def upsample(x: Tensor) -> Tensor:
    """Bilinear, twice the height and width, half-pixel centres."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class DoubleConv(nn.Module):
    """Two convolutions, each followed by LeakyReLU: [B, inputs, h, w] -> [B, outputs, h, w]."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.first = conv(inputs, outputs, kernel)
        self.second = conv(outputs, outputs, kernel)

    def forward(self, x: Tensor) -> Tensor:
        return activate(self.second(activate(self.first(x))))


def bounded(x: Tensor) -> Tensor:
    """tanh, so that no correction can be larger than white; by way of a sigmoid, which takes a third of the time."""
    return 2 * torch.sigmoid(2 * x) - 1


def head(inputs: int, widths: tuple[int, ...], outputs: int, last: int = 3) -> nn.Sequential:
    """Convolutions of the given widths with LeakyReLU between them and none at the end. last: the last one's kernel."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [conv(inputs, width), nn.LeakyReLU(SLOPE)]
        inputs = width
    return nn.Sequential(*layers, conv(inputs, outputs, last))


def zero(layer: nn.Module) -> None:
    """Start a layer at zero, so that what it corrects begins uncorrected."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
