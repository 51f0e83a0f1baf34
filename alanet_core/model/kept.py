"""Small tensors that depend on sizes alone: made once, and kept.

Made anew for every frame they were a tenth of all operations; and on a GPU each of them would be a copy to it.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec, cast

import torch
from torch import Tensor

_P = ParamSpec("_P")


def kept(make: Callable[_P, Tensor]) -> Callable[_P, Tensor]:
    """Make what a function gives for hashable arguments once; for all threads and streams, and for training as well."""

    @functools.wraps(make)
    def once(*args: _P.args, **kwargs: _P.kwargs) -> Tensor:
        with torch.inference_mode(mode=False):
            made = make(*args, **kwargs)
        if made.is_cuda:  # other streams will read it
            torch.cuda.current_stream(made.device).synchronize()
        return made

    return cast("Callable[_P, Tensor]", functools.lru_cache(maxsize=256)(once))
