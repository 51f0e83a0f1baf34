"""How much memory a stream will need, said before it starts: by walking through the network without computing it."""

import weakref
from contextlib import nullcontext
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from alanet_core import native
from alanet_core.config import ModelConfig
from alanet_core.frames import Canvas
from alanet_core.latent import Window
from alanet_core.model import Alanet
from alanet_core.model.blocks import onednn_computes
from alanet_core.streaming.ring import LatentRing

# What kernels take for themselves beside the tensors that can be counted (layouts of convolutions). With
# MALLOC_MMAP_THRESHOLD_=1048576 in the environment, so that glibc's allocator keeps nothing, the peak of `fast` at
# 1920x1080 on one thread came to 1.030 to 1.035 times the tensors' sum in float32, and to 1.05 to 1.07 in bfloat16,
# with three builds of torch.
BESIDE = {torch.float32: 1.033, torch.bfloat16: 1.06}
# A processor that does not compute in bfloat16 has it done by loops that want more: 1.18 times.
BESIDE_LOOPS = 1.18
# What that allocator keeps: in 20 runs of an earlier `fast` the peak came to 1.09 to 1.25 times the sum in float32, and
# to 1.21 to 1.45 times in bfloat16.
KEPT = 1.28


def estimate_memory(
    config: ModelConfig,
    height: int,
    width: int,
    dtype: torch.dtype = torch.float32,
    *,
    tile: int = 0,
    device: str = "cpu",
) -> int:
    """Peak bytes of weights, ring and working tensors of one joint stream of height x width frames in `dtype`.

    tile: rows generated at a time, as in StreamConfig. device: "cpu" or "cuda": a CPU has kernels that need less, where
    they were built, and makes both pictures of a pair at once.

    Counted on tensors without storage, so it takes a second and no memory; BESIDE and KEPT are added. What the process
    holds anyway (Python and torch: 0.3 GB with a CPU build, 0.6 GB with a CUDA build) and what a video codec needs
    come on top.
    """
    canvas = Canvas(height, width, config.multiple)
    kernels = native.rehearsed() if device == "cpu" else nullcontext()
    beside = device == "cpu" and config.fusion == "guided" and not tile and torch.get_num_threads() > 1
    with torch.device("meta"), torch.no_grad(), kernels, _LiveBytes() as live:
        model = Alanet(config).to(dtype)
        ring = LatentRing(config)
        frame = torch.empty(1, canvas.rows, canvas.columns, 3).permute(0, 3, 1, 2)
        ring.put(0, model.encode(frame, canvas.area))
        held = ring.latent(0)
        following = model.encode(frame, canvas.area)
        motions = model.match(held, following), model.match(held, following)
        del following
        z = model.attend(Window((held.core,) * config.window, held.core))
        assert z.sharp is not None
        assert z.middle is not None
        before, encoding = live.now, live.restart()
        sharp = model.generate_sharp(z.sharp, (held, held, held), motions, tile)
        of_sharp, between = live.restart() - before, live.now
        middle = model.generate_middle(z.middle, (held, held), motions[0], tile)
        of_middle = live.restart() - between
        del sharp, middle
    generating = of_sharp + of_middle if beside else max(of_sharp, of_middle + between - before)
    loops = device == "cpu" and dtype == torch.bfloat16 and not onednn_computes(dtype)
    beside_tensors = BESIDE_LOOPS if loops else BESIDE.get(dtype, BESIDE[torch.bfloat16])
    return int(max(encoding, before + generating) * beside_tensors * KEPT)


class _LiveBytes(TorchDispatchMode):
    """Counts the bytes of all storages that are alive, and their peak."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.now = self.peak = 0
        self._seen: set[int] = set()

    def restart(self) -> int:
        """The peak so far; what is alive now begins another."""
        peak, self.peak = self.peak, self.now
        return peak

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._count(leaf.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata  # noqa: SLF001  # the storage's identity: several tensors share one
        if key in self._seen:
            return
        self._seen.add(key)
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)

        def gone() -> None:
            self._seen.discard(key)
            self.now -= size

        weakref.finalize(storage, gone)
