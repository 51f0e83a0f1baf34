"""What is counted and measured, and the latency that follows from it. Neither torch nor gi."""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

KEPT = 128  # measurements of a stage
SETTLED = 64  # measurements that make a mean worth telling
MARGIN = 1.05  # on the mean time of processing, as tensor_filter of nnstreamer has it
DRIFT = 0.10  # of the whole latency, that is no news
LEAST_DRIFT = 2_000_000  # ns
BETWEEN_NEWS = 1_000_000_000  # ns; each message makes the pipeline ask everybody
BEFORE_LESS = 5_000_000_000  # ns for which the answer has been too much; what may soon be wanted again is kept

COUNTS = ("in", "sharp", "passed", "made", "repeated", "dropped", "flushed", "late", "held")
STAGES = ("read", "network", "write", "push")


class Measured:
    """The last values of something, in ns."""

    def __init__(self, kept: int = KEPT) -> None:
        self._values: deque[int] = deque(maxlen=kept)

    def add(self, value: int) -> None:
        """One more value."""
        self._values.append(value)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def mean(self) -> int:
        """Of the values kept; 0 where there are none."""
        return sum(self._values) // len(self._values) if self._values else 0

    @property
    def p95(self) -> int:
        """The value that one in twenty exceeds."""
        return sorted(self._values)[(len(self._values) * 19 - 1) // 20] if self._values else 0


class Aside:
    """Time within a stage that belongs to others, in ns."""

    def __init__(self) -> None:
        self.taken = 0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """What is done here is theirs."""
        began = time.monotonic_ns()
        try:
            yield
        finally:
            self.taken += time.monotonic_ns() - began


class Stats:
    """Counts and times of one run; written by the streaming thread, read by any.

    in = sharp + passed + dropped + flushed + held, and, where there are middles, made + repeated = sharp + passed.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._counts = dict.fromkeys(COUNTS, 0)
        self._stages = {name: Measured() for name in STAGES}
        self._latency = Measured()
        self.answered = 0  # ns of latency, as told to the pipeline

    def count(self, *names: str, **moved: int) -> None:
        """Add one to each of these COUNTS, and so many to the others: all at once, so that they always add up."""
        with self._guard:
            for name in names:
                self._counts[name] += 1
            for name, by in moved.items():
                self._counts[name] += by

    @contextmanager
    def timed(self, stage: str) -> Iterator["Aside"]:
        """Measure a stage, less what is done aside meanwhile."""
        began, aside = time.monotonic_ns(), Aside()
        yield aside
        with self._guard:
            self._stages[stage].add(time.monotonic_ns() - began - aside.taken)

    def delayed(self, by: int) -> None:
        """A sharp frame has left so many ns after its input came in."""
        with self._guard:
            self._latency.add(by)

    def __getitem__(self, name: str) -> int:
        with self._guard:
            return self._counts[name]

    def snapshot(self) -> dict[str, int]:
        """Everything by the name it has in the property `stats`; times in ns."""
        with self._guard:
            shown = {("frames-in" if name == "in" else name): value for name, value in self._counts.items()}
            for name, stage in self._stages.items():
                shown[f"{name}-mean"], shown[f"{name}-p95"] = stage.mean, stage.p95
            shown["latency"] = self.answered
            shown["latency-mean"], shown["latency-p95"] = self._latency.mean, self._latency.p95
            return shown


class Latency:
    """What a LATENCY query is answered: the wait for the lookahead, and the measured time of processing.

    The levels of qos take different times. What counts is the larger of two means: of the level at hand, so that a step
    up is told before frames come later for it, and of the last frames, so that a passing step down is not told at all.
    """

    def __init__(self) -> None:
        self._recent = Measured(SETTLED)
        self._at_level: defaultdict[int, Measured] = defaultdict(Measured)
        self._fresh = True
        self._told = 0
        self._wanted = 0  # when the answer was last no more than right
        self.answer = 0
        """ns; stays as it is until there is news."""

    def seed(self, processing: int) -> None:
        """A measurement made before there are frames of a kind, at full quality; the means begin with it."""
        self._recent = Measured(SETTLED)
        self._at_level.clear()
        self._at_level[0].add(processing)
        self._fresh = True

    def processed(self, time_taken: int, level: int) -> None:
        """One more frame has been worked on for so long, at that level."""
        self._recent.add(time_taken)
        self._at_level[level].add(time_taken)

    def processing(self, level: int) -> int:
        """The time of processing to count on while frames get that level."""
        return int(max(self._recent.mean, self._at_level[level].mean) * MARGIN)

    def update(self, total: int, now: int) -> bool:
        """Take `total` for the answer if it is news: the first of its kind, or drifted while the mean has settled."""
        drift, no_news = total - self.answer, max(DRIFT * self.answer, LEAST_DRIFT)
        if drift >= -no_news:
            self._wanted = now
        if self._fresh:
            news = drift != 0
        elif len(self._recent) < SETTLED or now - self._told < BETWEEN_NEWS:
            news = False
        else:
            news = drift > no_news or now - self._wanted >= BEFORE_LESS
        self._fresh = False
        if news:
            self.answer, self._told = total, now
        return news
