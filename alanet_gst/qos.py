"""What is done about frames that are late: less, in a stated order, so that the lag is bounded. Integers only.

    FULL    what the mode asks for
    REPEAT  no middle is made: it repeats the sharp frame
    PASS    nothing is made: the input frame stands for both; the network goes on remembering frames
    BYPASS  the same, and the network sleeps: next to no cost
    DROP    the input frame gives no output: the way to catch up when more than that lies behind

Down at once and as far as the lag asks; up step by step, after a calm spell each. What the machine holds in the long
run, `mix` finds beforehand; this is for what it cannot foresee.
"""

from collections.abc import Sequence
from enum import IntEnum


class Level(IntEnum):
    """How much is done for a frame, best first."""

    FULL = 0
    REPEAT = 1
    PASS = 2
    BYPASS = 3
    DROP = 4


LIMITS = {Level.FULL: 1.5, Level.REPEAT: 2.5, Level.PASS: 4.0, Level.BYPASS: 6.0}
"""The lag, in frame periods, up to which each level will do. One frame that waits is no more than a busy moment."""

IN_TIME = 0.75  # periods of lag, up to which a frame counts as calm

LEVELS: dict[str, tuple[Level, ...]] = {
    "joint": tuple(Level),
    "deblur": (Level.FULL, Level.PASS, Level.BYPASS, Level.DROP),  # there is no middle to leave out
    "interpolate": (Level.FULL, Level.REPEAT, Level.BYPASS, Level.DROP),  # PASS would be the same as REPEAT
}

LAG_LIMIT = LIMITS[Level.BYPASS]  # periods; beyond it frames are dropped
CALM = 5  # calm frames before a step up


class Governor:
    """Keeps the level. One for each run; asked once for each input frame."""

    def __init__(self, mode: str) -> None:
        self._levels: Sequence[Level] = LEVELS[mode]
        self._place = 0
        self._calm = 0

    @property
    def level(self) -> Level:
        """What was decided last."""
        return self._levels[self._place]

    def decide(self, lag: int, period: int, *, planned: int = 0) -> Level:
        """The best level that a frame may have which is `lag` ns behind (negative: early), where frames last `period`.

        planned: how much of the lag comes of turns that `mix` takes; that will melt by itself.
        """
        if lag <= LAG_LIMIT * period:
            lag -= planned
        needed = self._needed(lag / period)
        asleep = self._levels.index(Level.BYPASS)
        if needed > self._place:
            self._place, self._calm = needed, 0
        elif self._place > asleep:
            self._place = max(needed, asleep)
        else:
            self._wait(in_time=lag <= IN_TIME * period)
        return self.level

    def _needed(self, periods: float) -> int:
        for place, level in enumerate(self._levels[:-1]):
            if periods <= LIMITS[level]:
                return place
        return len(self._levels) - 1

    def _wait(self, *, in_time: bool) -> None:
        self._calm = self._calm + 1 if in_time else 0
        if self._place and self._calm >= CALM:
            self._place, self._calm = self._place - 1, 0


class Backlog:
    """How far behind a live source we are, by the pipeline's clock.

    A frame's transit is the clock at its arrival less its own running time. The shortest transit is that of a frame
    that found us idle, whatever latency upstream has or claims; so running time plus shortest transit is when a frame
    could have come. Two things make it come later. Our own work: added up here as if nothing else took time, it is the
    lag. And downstream: a sink without a queue before it holds us until its time has come, which is no lag, but bounded
    by the pipeline's latency (`allowance`); what has been waited beyond that is.
    """

    STUCK = 8  # frames

    def __init__(self) -> None:
        self._shortest: int | None = None
        self._free = 0  # when we would be through with all frames so far, had we only worked
        self._head_start = 0  # work done before the first frame
        self._before = 0
        self._stuck = 0

    def busy(self, duration: int) -> None:
        """We have worked for so long."""
        if self._shortest is None:
            self._head_start += duration
        else:
            self._free += duration

    def lag(self, running: int, now: int, period: int, *, allowance: int = 0, asleep: bool = False) -> int:
        """The lag of the frame of that running time, which comes now. asleep: there has been no work since the last."""
        transit = now - running
        if self._shortest is None:
            # It may have waited for that work, but no frame comes before its own time.
            self._shortest, self._free, self._before = max(min(0, transit), transit - self._head_start), now, transit
        self._shortest = min(self._shortest, transit)
        if self._has_changed(transit, period, asleep=asleep):
            self._shortest, self._free = transit, now
        could_have_come = running + self._shortest
        own = self._free - could_have_come
        self._free = max(self._free, could_have_come)
        return max(0, own, transit - self._shortest - allowance)

    def _has_changed(self, transit: int, period: int, *, asleep: bool) -> bool:
        """While we sleep a backlog must melt; where it does not, upstream itself has become slower."""
        stays = transit > self._before - period // 4
        self._before = transit
        self._stuck = self._stuck + 1 if asleep and stays else 0
        if self._stuck < self.STUCK:
            return False
        self._stuck = 0
        return True


class Downstream:
    """What the sink's QOS events tell: how late frames come out there."""

    def __init__(self) -> None:
        self._earliest: int | None = None

    def report(self, stamp: int, late: int, period: int) -> None:
        """The frame of running time `stamp` came `late` ns too late (negative: early)."""
        # The ones on their way will be later still, but a single stall of a second is not told twice.
        self._earliest = stamp + late + max(0, min(late, 2 * period))

    def forget(self) -> None:
        """After a flush or a new segment running times begin anew."""
        self._earliest = None

    @property
    def heard(self) -> bool:
        """Whether a sink has told anything: it shows frames in time."""
        return self._earliest is not None

    def lag(self, running: int, period: int) -> int:
        """The lag of a frame of that running time: one that will be late there has used up what FULL may have."""
        if self._earliest is None or self._earliest <= running:
            return 0
        return self._earliest - running + int(LIMITS[Level.FULL] * period)
