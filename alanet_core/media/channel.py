"""A bounded handover between two threads, which ends in order or stops at once."""

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
POLL = 0.2  # seconds; how late a thread that waits notices a stop


class Stopped(Exception):
    """Another thread failed, or the user gave up; this one has nothing more to do."""


class Channel(Generic[T]):
    """Items from one thread to another, in order.

    Heavy items (frames) are bounded by `room`: `put` waits until the reader has taken one. Light ones (packets of
    sound) pass at once, as waiting for them could starve the very frames that make room.
    """

    def __init__(self, room: int, stop: threading.Event) -> None:
        self._room = room
        self._stop = stop
        self._items: deque[tuple[T, bool]] = deque()
        self._heavy = 0
        self._ended = False
        self._changed = threading.Condition()

    def put(self, item: T, *, heavy: bool = False) -> None:
        """Hand over an item. Raises Stopped when the work is given up."""
        with self._changed:
            while heavy and self._heavy >= self._room:
                self._wait()
            self._items.append((item, heavy))
            self._heavy += heavy
            self._changed.notify_all()

    def end(self) -> None:
        """No item will follow."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Items until the end. Raises Stopped when the work is given up."""
        while True:
            with self._changed:
                while not self._items and not self._ended:
                    self._wait()
                if not self._items:
                    return
                item, heavy = self._items.popleft()
                self._heavy -= heavy
                self._changed.notify_all()
            yield item

    def _wait(self) -> None:
        self._changed.wait(POLL)
        if self._stop.is_set():
            raise Stopped
