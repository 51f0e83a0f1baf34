"""The few parts that every stage is made of."""

import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.1  # of every LeakyReLU, as in Super SloMo's U-Net, from which E and G are taken


def activate(x: Tensor) -> Tensor:
    """LeakyReLU with the slope of the family."""
    return F.leaky_relu(x, SLOPE)


def conv(inputs: int, outputs: int, kernel: int = 3) -> nn.Conv2d:
    """A convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


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


def head(inputs: int, widths: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Convolutions of the given widths with LeakyReLU between them and none at the end."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [conv(inputs, width), nn.LeakyReLU(SLOPE)]
        inputs = width
    return nn.Sequential(*layers, conv(inputs, outputs))


def zero(layer: nn.Module) -> None:
    """Start a layer at zero, so that what it corrects begins uncorrected."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
