"""Tensors on their way to a device."""

import torch
from torch import Tensor


def sent(x: Tensor, device: torch.device | str) -> Tensor:
    """x on that device; from the CPU's memory to CUDA through pinned memory, so that nobody waits for the copy.

    PyTorch's allocator keeps pinned memory that was let go of until the copies from it are done.
    """
    if x.device.type == "cpu" and torch.device(device).type == "cuda":
        x = x.pin_memory()
    return x.to(device, non_blocking=True)
