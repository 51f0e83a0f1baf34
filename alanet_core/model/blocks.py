"""The few parts that every stage is made of."""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alanet_core import native
from alanet_core.native import conv as of_c

T = TypeVar("T")

SLOPE = 0.1  # of every LeakyReLU, as in Super SloMo's U-Net, from which E and G are taken


def activate(x: Tensor) -> Tensor:
    """LeakyReLU with the slope of the family."""
    return F.leaky_relu(x, SLOPE)


_reorder: Any = getattr(torch._C._nn, "mkldnn_reorder_conv2d_weight", None)  # noqa: SLF001 the only name it has


class Conv(nn.Conv2d):
    """A convolution that keeps the size; for inference on a CPU with a form of its own.

    In float32 that is conv.c's, where it serves; else oneDNN's. Both spare the weights' way into another layout at
    every call, and do the LeakyReLU at once.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        self._packed: dict[tuple[object, ...], Any] = {}

    def __getstate__(self) -> dict[str, object]:
        """Copies pack anew: a packed tensor has no storage to copy."""
        return {**self.__dict__, "_packed": {}}

    def active(self, x: Tensor) -> Tensor:
        """The convolution, and LeakyReLU."""
        if self.in_c(x):
            return self._in_c(x, SLOPE)
        return self._fused(x, "leaky_relu", [SLOPE]) if self._fuses(x) else activate(super().forward(x))

    def forward(self, x: Tensor) -> Tensor:
        if self.in_c(x):
            return self._in_c(x, 1.0)
        return self._fused(x, "none", []) if self._fuses(x) else super().forward(x)

    def in_c(self, x: Tensor) -> bool:
        """Whether conv.c convolves x."""
        return x.dtype == torch.float32 and self._serves(x) and self.suits

    def _fuses(self, x: Tensor) -> bool:
        return self._serves(x) and onednn_computes(x.dtype)

    def _serves(self, x: Tensor) -> bool:
        return self.tells(x.dtype) and native.serves(x, learnt=self.parameters())

    def tells(self, dtype: torch.dtype) -> bool:
        """Whether the weights are of this dtype, and tell when they change: those of inference mode do not."""
        weight = self._parameters["weight"]  # as an attribute it takes five times as long
        assert weight is not None
        return weight.dtype == dtype and not weight.is_inference()

    def _in_c(self, x: Tensor, slope: float) -> Tensor:
        return of_c.convolve(x, of_c.Layers([(self.packed, slope)]))

    @property
    def suits(self) -> bool:
        """Whether conv.c makes convolutions of this shape; asked where kernels can be called."""
        return of_c.serves(self.in_channels, self.out_channels, self.kernel_size[0])

    @property
    def packed(self) -> of_c.Packed:
        """Weights as conv.c reads them."""
        assert self.bias is not None
        bias = self.bias
        return self._kept(self.weights_are(), lambda: of_c.packed(self.weight.detach(), bias.detach()))

    def _fused(self, x: Tensor, after: str, numbers: list[float]) -> Tensor:
        """By oneDNN, whose packed weights depend on what is convolved."""
        if x.is_meta:  # the size is all that is asked for
            return x.new_empty(len(x), *x.shape[2:], self.out_channels).permute(0, 3, 1, 2)
        same = list(self.padding), [1, 1], [1, 1], 1
        packed = self._kept(
            (*self.weights_are(), x.dtype, x.shape),
            lambda: _reorder(torch.ops.aten.to_mkldnn(self.weight.detach()), *same, list(x.shape)),
        )
        made: Tensor = torch.ops.mkldnn._convolution_pointwise(x, packed, self.bias, *same, after, numbers, "")  # noqa: SLF001
        return made

    def weights_are(self) -> tuple[object, ...]:
        """What changes with the weights, which are none of inference mode."""
        weight, bias = self._parameters["weight"], self._parameters["bias"]
        assert weight is not None
        assert bias is not None
        return weight.data_ptr(), weight._version, bias.data_ptr(), bias._version  # noqa: SLF001 no public name for it

    def _kept(self, key: tuple[object, ...], pack: Callable[[], T]) -> T:
        """Packed weights are kept until the weights change."""
        packed: T | None = self._packed.get(key)
        if packed is None:
            packed = pack()
            if len(self._packed) >= _SHAPES:
                self._packed = {}
            self._packed[key] = packed
        return packed


_SHAPES = 8  # sizes of pictures and strips for which packed weights are kept


@functools.cache
def onednn_computes(dtype: torch.dtype) -> bool:
    """oneDNN is there, with the operations that torch.compile uses, and computes in this dtype."""
    there: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not there or _reorder is None or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return False
    return dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001


def conv(inputs: int, outputs: int, kernel: int = 3) -> Conv:
    """A convolution that keeps the size.

    It begins as He et al. (2015) have it, so that features are as large at the end of the network as at its start;
    torch's own beginning shrinks them to less than half in each layer, and such a network learns nothing for hours.
    """
    layer = Conv(inputs, outputs, kernel)
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


class Step(NamedTuple):
    """A convolution, and the slope of the LeakyReLU after it, 1 for none."""

    layer: Conv
    slope: float


class Row:
    """Convolutions one after the other, as conv.c has them."""

    def __init__(self, *steps: Step) -> None:
        self._steps = steps
        self._kept: tuple[object, of_c.Layers | None] = None, None

    def __getstate__(self) -> dict[str, object]:
        """Copies pack anew, as those of Conv."""
        return {**self.__dict__, "_kept": (None, None)}

    def packed(self, x: Tensor) -> of_c.Layers | None:
        """Made anew where weights have changed; None where C is not to convolve x."""
        if x.dtype != torch.float32 or not native.serves(x, learnt=self._weights()):
            return None
        if not all(step.layer.tells(torch.float32) for step in self._steps):
            return None
        key = [step.layer.weights_are() for step in self._steps]
        known, packed = self._kept
        if known != key:
            suits = all(step.layer.suits for step in self._steps)
            packed = of_c.Layers((step.layer.packed, step.slope) for step in self._steps) if suits else None
            self._kept = key, packed
        return packed

    def _weights(self) -> Iterator[Tensor]:
        return (x for step in self._steps for x in step.layer.parameters())


class DoubleConv(nn.Module):
    """Two convolutions, each followed by LeakyReLU: [B, inputs, h, w] -> [B, outputs, h, w]."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.first = conv(inputs, outputs, kernel)
        self.second = conv(outputs, outputs, kernel)
        self.row = Row(Step(self.first, SLOPE), Step(self.second, SLOPE))

    def forward(self, x: Tensor) -> Tensor:
        layers = self.row.packed(x)
        return of_c.convolve(x, layers) if layers else self.second.active(self.first.active(x))


def bounded(x: Tensor) -> Tensor:
    """tanh, so that no correction can be larger than white; by way of a sigmoid, which takes a third of the time."""
    return 2 * torch.sigmoid(2 * x) - 1


class Head(nn.Sequential):
    """Convolutions with LeakyReLU between them and none at the end."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(*layers)
        *before, last = (layer for layer in layers if isinstance(layer, Conv))
        self.row = Row(*(Step(layer, SLOPE) for layer in before), Step(last, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        *before, last = (layer for layer in self if isinstance(layer, Conv))
        for layer in before:
            x = layer.active(x)
        made: Tensor = last(x)
        return made

    def reach(self, x: Tensor) -> int:
        """Rows and columns on either side that a place depends on, of what is made of x."""
        kernels = [layer.kernel_size[0] for layer in self if isinstance(layer, Conv)]
        return sum(of_c.SQUARE if kernel == 3 and self.grid(x) > 1 else kernel // 2 for kernel in kernels)

    def grid(self, x: Tensor) -> int:
        """Rows that are made at once of x: strips of a multiple of these change no bit."""
        squares = any(layer.kernel_size[0] == 3 and layer.in_c(x) for layer in self if isinstance(layer, Conv))
        return of_c.SQUARE if squares else 1


def head(inputs: int, widths: tuple[int, ...], outputs: int, last: int = 3) -> Head:
    """Convolutions of the given widths, and the last one. last: its kernel's size."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [conv(inputs, width), nn.LeakyReLU(SLOPE)]
        inputs = width
    return Head(*layers, conv(inputs, outputs, last))


def zero(layer: nn.Module) -> None:
    """Start a layer at zero, so that what it corrects begins uncorrected."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
