"""Stages as CUDA graphs: recorded once for what they are given, then replayed.

A graph reads and writes the memory that it was recorded with. So what a stage is given is copied into tensors of the
recording's own, and what it makes is copied out of them; on the stream on which it is replayed, as all else.
"""

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
T = TypeVar("T")

MOST = 16  # recordings that are kept: a stream needs one a stage, and some more at the ends of shots
_WARM_UP = 2  # runs before a recording, for what is made at first use


def capture(work: Callable[[], T]) -> tuple[T, Callable[[], None]]:
    """Record work on CUDA -> what it makes, and what makes it anew, in the same memory.

    work: reads and writes CUDA tensors alone, and asks for none of their values.
    """
    stream: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        made = work()
    return made, graph.replay


@dataclasses.dataclass(frozen=True)
class _Recording:
    given: list[Tensor]
    made: Any
    replay: Callable[[], None]


class Recorder:
    """Calls functions of tensors; those of a signature that it has seen before by replaying them. One thread's.

    A signature is the function, the structure of what it is given (dataclasses and tuples of tensors and of what can be
    hashed), the tensors' shapes, strides and dtypes, and which of them are one and the same.
    """

    def __init__(self, capture: Callable[[Callable[[], Any]], tuple[Any, Callable[[], None]]] = capture) -> None:
        self._capture = capture
        self._recordings: OrderedDict[Hashable, _Recording] = OrderedDict()

    def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """function(*args, **kwargs), in tensors of the caller's own."""
        tensors: list[Tensor] = []
        arguments = (args, tuple(sorted(kwargs.items())))
        key = (function, _described(arguments, tensors))
        with torch.cuda.device_of(tensors[0]):  # type: ignore[no-untyped-call]  # torch leaves it untyped
            if key not in self._recordings:
                self._make_room()
                self._recordings[key] = self._recorded(function, arguments, tensors)
            self._recordings.move_to_end(key)
            recording = self._recordings[key]
            for mine, theirs in zip(recording.given, tensors, strict=True):
                mine.copy_(theirs)
            recording.replay()
            found: list[Tensor] = []
            _described(recording.made, found)
            result: T = _with(recording.made, {id(x): x.clone() for x in found})
        return result

    def _recorded(self, function: Callable[..., Any], arguments: Any, tensors: list[Tensor]) -> _Recording:  # noqa: ANN401
        given = [torch.empty_like(x).copy_(x) for x in tensors]
        own, named = _with(arguments, dict(zip(map(id, tensors), given, strict=True)))
        return _Recording(given, *self._capture(lambda: function(*own, **dict(named))))

    def _make_room(self) -> None:
        if len(self._recordings) >= MOST:
            _, oldest = self._recordings.popitem(last=False)
            if oldest.given[0].is_cuda:  # it may still be running
                torch.cuda.synchronize()


def plainly(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What stands for a Recorder where nothing is recorded."""
    return function(*args, **kwargs)


def _described(x: object, tensors: list[Tensor]) -> Hashable:
    """What two arguments have in common that one recording serves; collects the tensors, each once."""
    if isinstance(x, Tensor):
        number = next((k for k, seen in enumerate(tensors) if seen is x), len(tensors))
        if number == len(tensors):
            tensors.append(x)
        return number, x.shape, x.stride(), x.dtype, x.device
    if dataclasses.is_dataclass(x):
        return type(x), tuple(_described(getattr(x, field.name), tensors) for field in dataclasses.fields(x))
    if isinstance(x, tuple):
        return tuple(_described(part, tensors) for part in x)
    assert isinstance(x, Hashable)
    return x


def _with(x: Any, instead: dict[int, Tensor]) -> Any:  # noqa: ANN401
    """The same with other tensors."""
    if isinstance(x, Tensor):
        return instead[id(x)]
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        fields = {field.name: _with(getattr(x, field.name), instead) for field in dataclasses.fields(x)}
        return dataclasses.replace(x, **fields)
    return tuple(_with(part, instead) for part in x) if isinstance(x, tuple) else x
