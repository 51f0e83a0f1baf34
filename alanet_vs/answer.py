"""How Python answers the plug-in: a map of results, or one line for the user and a traceback for the log."""

import functools
import traceback
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec

import torch
import vapoursynth as vs

import alanet_core as alanet
from alanet_core.errors import must

P = ParamSpec("P")
Answer = Mapping[str, Any]


def answering(function: Callable[P, Answer]) -> Callable[P, Answer]:
    """Turn what `function` raises into an answer: {"error": line, "trace": traceback}.

    VapourSynth would make the whole traceback the message that a user reads.
    """

    @functools.wraps(function)
    def answer(*args: P.args, **kwargs: P.kwargs) -> Answer:
        try:
            return function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  # it is reported, not swallowed
            return {"error": one_line(error), "trace": traceback.format_exc()}

    return answer


def one_line(error: Exception) -> str:
    """The line that a user is to read."""
    if isinstance(error, vs.Error):
        return str(error)
    if isinstance(error, torch.OutOfMemoryError):
        remedy = "use precision='bf16', a smaller clip, or device='cpu'"
        return "alanet: " + must("memory", "enough for a pair of frames", str(error).partition(".")[0], remedy)
    name = "" if isinstance(error, alanet.AlanetError) else f"{type(error).__name__}: "
    return f"alanet: {name}{' '.join(str(error).split())}"
