"""Which frames an output needs, and when it can be made: integers only, no pixels, no torch.

A shot is a run of frames without a cut. Frame n's pair reads frames n - W//2 .. n + max(1, W//2) of its own shot;
where the shot ends, its nearest frame stands in for a missing one. Every driver asks here, so all follow one rule.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Middle = Literal["between", "cut", "end"]


@dataclass(frozen=True)
class Task:
    """One output pair.

    n: its input frame. window: W frame numbers in time order, clamped into the shot, n in the centre.
    previous, following: the neighbours that a guided generator reads; n itself at the end of a shot.
    middle: "between" n and n+1, "cut" where n+1 begins another shot, "end" where there is no n+1.
    """

    n: int
    window: tuple[int, ...]
    previous: int
    following: int
    middle: Middle

    @property
    def reads(self) -> range:
        """All frames from the first to the last that the pair depends on, n+1 of the next shot included at a cut."""
        last = max(self.window[-1], self.following, self.n + (self.middle == "cut"))
        return range(min(self.window[0], self.previous), last + 1)


def reach(n: int, window: int, length: int) -> range:
    """The frames that pair n may depend on, wherever the cuts are, in a clip of `length` frames."""
    radius = window // 2
    return range(max(0, n - radius), min(length - 1, n + max(1, radius)) + 1)


def task(n: int, window: int, begins_shot: Callable[[int], bool], length: int) -> Task:
    """What pair n needs.

    begins_shot(k): whether a cut lies between k-1 and k; asked only for frames in reach(n), nearest first.
    length: frames of the clip, or as many as are known to exist beyond the reach of n.
    """
    within = reach(n, window, length)
    first = n
    while first > within[0] and not begins_shot(first):
        first -= 1
    last = n
    while last < within[-1] and not begins_shot(last + 1):
        last += 1
    radius = window // 2
    numbers = tuple(min(max(k, first), last) for k in range(n - radius, n + radius + 1))
    middle: Middle = "between" if n < last else "cut" if n + 1 < length else "end"
    return Task(n, numbers, max(n - 1, first), min(n + 1, last), middle)


class Schedule:
    """A stream's place in time: which pairs are due once a frame has come, and which are left at the end."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._lookahead = max(1, window // 2)
        self._cuts: set[int] = set()  # frames that begin a shot, as far back as an open pair can reach
        self.received = 0
        self.emitted = 0

    def receive(self, *, begins_shot: bool) -> list[Task]:
        """Frame number `received` has come -> the pairs that can be made now, in order."""
        k = self.received
        self.received += 1
        if begins_shot:
            self._cuts.add(k)
        ready = k - 1 if begins_shot else k - self._lookahead
        return self._take(ready)

    def finish(self) -> list[Task]:
        """No frame will follow -> all pairs that are left."""
        return self._take(self.received - 1)

    def _take(self, last: int) -> list[Task]:
        tasks = [task(n, self._window, self._cuts.__contains__, self.received) for n in range(self.emitted, last + 1)]
        self.emitted = max(self.emitted, last + 1)
        self._cuts = {cut for cut in self._cuts if cut >= self.emitted - self._window}
        return tasks
