"""The least time that a network could take on this machine: for each layer, arithmetic or memory, whichever is more.

Layers are convolutions and what moves features and pixels (warping, resizing); everything else could be fused into
these and counts nothing. A layer's bytes are what it must read and write once: inputs, weights and result.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

import alanet_core as alanet
from alanet_core.frames import Canvas
from alanet_core.latent import Window

_MOVES = ("grid_sampler_2d", "embedding_bag", "upsample_bilinear2d", "avg_pool2d")
_TRIES = 25


@dataclass(frozen=True)
class Machine:
    """What was measured: operations a second of convolutions and of matrix products, bytes a second of a copy."""

    convolution: float
    matrix: float
    memory: float


def measure_machine(dtype: torch.dtype) -> Machine:
    """The best of several tries, so that other work on the machine lowers it least."""
    x = torch.rand(1, 64, 176, 320).to(dtype).contiguous(memory_format=torch.channels_last)
    layer = torch.nn.Conv2d(64, 64, 3, padding=1).to(dtype)
    layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack this overload
    square = torch.rand(1024, 1024).to(dtype)
    block, copy = torch.rand(1 << 24), torch.empty(1 << 24)
    with torch.inference_mode():
        return Machine(
            convolution=2 * 9 * 64 * 64 * 176 * 320 / _best(lambda: layer(x)),
            matrix=2 * 1024**3 / _best(lambda: square @ square),
            memory=2 * 4 * (1 << 24) / _best(lambda: copy.copy_(block)),
        )


def _best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_TRIES):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


class _Layers(TorchDispatchMode):
    """Seconds of every layer at its roofline, added up; on tensors without storage."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._machine = machine
        self.seconds = self.operations = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        result = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        counted = packet in flop_registry
        if counted or any(name in str(packet) for name in _MOVES):
            operations = flop_registry[packet](*args, **(kwargs or {}), out_val=result) if counted else 0
            tensors = [t for t in tree_leaves((args, kwargs, result)) if isinstance(t, torch.Tensor)]
            moved = sum(t.numel() * t.element_size() for t in tensors)
            self.operations += operations
            self.seconds += max(operations / self._machine.convolution, moved / self._machine.memory)
        return result


def roofline(
    config: alanet.ModelConfig, size: tuple[int, int], dtype: torch.dtype, machine: Machine
) -> dict[str, float]:
    """Milliseconds of one input frame of (width, height): encode, attend, both generators; and GFLOP."""
    width, height = size
    canvas = Canvas(height, width, config.multiple)
    with torch.device("meta"), torch.no_grad():
        model = alanet.Alanet(config).to(dtype)
        frame = torch.empty(1, 3, canvas.rows, canvas.columns)
        with _Layers(machine) as layers:
            held = model.encode(frame, canvas.area)
            z = model.attend(Window((held.core,) * config.window, held.core))
            assert z.sharp is not None
            assert z.middle is not None
            motion = model.match(held, held)
            model.generate_sharp(z.sharp, (held, held, held), (motion, motion))
            model.generate_middle(z.middle, (held, held), motion)
    return {"roofline_ms": 1e3 * layers.seconds, "gflop": layers.operations / 1e9}


def as_dict(machine: Machine) -> dict[str, float]:
    """In GFLOP/s and GB/s."""
    return {name: round(value / 1e9, 1) for name, value in asdict(machine).items()}
