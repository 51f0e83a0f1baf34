"""The best quality that the machine holds: what each level was measured to cost, against the time between frames.

A level that fits into that time is taken for every frame. Where none but a lower one fits, the next better one takes
turns with it, evenly: one frame in three, say, is made sharp. The frames that are late for it are `planned`: the lag
grows with the better level and melts with the other. What that misjudges, `qos` sees as a lag and mends; then less of
the time is used for a while, as others seem to need it: an encoder without a queue before it, another program.
"""

from collections import defaultdict, deque

from alanet_gst.qos import IN_TIME, LEVELS, LIMITS, Level

LOAD = 0.95  # of the time between frames, that our work may take at most
EASED = 0.9  # what a misjudgement makes of it
LEAST_LOAD = 0.5
RECOVERY = 0.001  # a frame
SOON = 30  # frames that count as one misjudgement
LONGEST = LIMITS[Level.BYPASS] - 1  # periods for a frame; what it leaves as lag must not come near dropping
KEPT = 3  # costs of a level; their median counts, so that a single stall does not
PATIENCE = 30  # times its cost pass before a level that takes too long is tried again, and as many frames
MAX_PATIENCE = 600  # frames
SAVED = 2.0  # turns that may be made up for after a busy moment
LATELY = 64  # frames

NO_LIMIT = 10**18  # ns


class Mix:
    """One for each run; asked once for each input frame, told what each has cost."""

    def __init__(self, mode: str) -> None:
        self._levels = LEVELS[mode]
        self._asleep = self._levels.index(Level.BYPASS)
        self.begin()

    def begin(self, full: int | None = None) -> None:
        """New caps: other costs. full: that of the best level, in ns, where it has been measured."""
        self._costs: defaultdict[Level, deque[int]] = defaultdict(lambda: deque(maxlen=KEPT))
        if full is not None:
            self._costs[Level.FULL].append(full)
        self._upper = self._lower = Level.FULL
        self._share, self._turns = 0.0, 0.0
        self._trying: Level | None = None
        self._waited = 0
        self._load, self._since_eased, self._at_best = LOAD, SOON, Level.FULL
        self.planned = 0
        """The lag in ns that a frame has by now because of the turns taken."""
        self._taken: deque[int] = deque(maxlen=LATELY)

    @property
    def upper(self) -> Level:
        """The best level that frames get now, each or in turns."""
        return self._upper

    @property
    def taken(self) -> int:
        """While levels take turns: within how many ns of its coming all but one in twenty frames are done; else 0.

        A frame waits for better ones before it, and so takes longer than its own level does.
        """
        lately = sorted(self._taken) if self._share else ()
        return lately[(len(lately) * 19 - 1) // 20] if lately else 0

    def cost(self, level: Level) -> int:
        """What a frame of that level takes, in ns; 0 while that is not known, so that it is tried."""
        known = sorted(self._costs[level])
        return known[len(known) // 2] if known else 0

    def took(self, level: Level, cost: int, pairs: int) -> None:
        """A frame of that level has taken so long, and so many pairs were made meanwhile."""
        # With no pair, or at a cut, a frame costs less or more than others; the cheapest makes none in any case.
        if pairs != 1 and level is not self._levels[self._asleep - 1]:
            return
        if level is self._trying:
            self._trying = None
            if level is not self._levels[self._asleep - 1]:
                self._costs[level].clear()
        self._costs[level].append(cost)

    def decide(self, lag: int, period: int, *, at_best: Level = Level.FULL, room: int = NO_LIMIT) -> Level:
        """The level for a frame that is `lag` ns behind. at_best: what `qos` allows. room: ns for it to be out."""
        self._ease(worse=at_best > self._at_best)
        self._at_best = at_best
        self._plan(period, min(int(LONGEST * period), room), at_best)
        self._turns = min(self._turns + self._share, SAVED)
        level = self._lower
        if lag <= IN_TIME * period:
            if self._trying is not None:
                level = self._trying
            elif self._turns >= 1 and lag + self.cost(self._upper) <= room:
                level = self._upper
        level = max(level, at_best)
        if self._share and level is self._upper:
            self._turns -= 1
        cost = self.cost(level) if level < Level.BYPASS else 0
        self._taken.append(lag + cost)
        self.planned = max(0, self.planned + cost - period)
        return level

    def _ease(self, *, worse: bool) -> None:
        self._since_eased += 1
        self._load = min(LOAD, self._load + RECOVERY)
        if worse and self._since_eased >= SOON:
            self._load, self._since_eased = max(LEAST_LOAD, self._load * EASED), 0

    def _plan(self, period: int, longest: int, at_best: Level) -> None:
        """Choose the level that fits, the one that takes turns with it, and how often."""
        time = self._load * period
        usable = [one for one in self._levels[: self._asleep] if one >= at_best and self.cost(one) <= longest]
        better = [level for level in usable if not self._fits(level, time)]
        self._lower = next((level for level in usable if level not in better), Level.BYPASS)
        # A level above the one that fits, if there is one; while the network sleeps none is of use for single frames.
        above = [level for level in better if level < self._lower] if self._lower is not Level.BYPASS else []
        self._upper, self._share = self._lower, 0.0
        left = time - self.cost(self._lower)
        if above and left > 0:
            self._upper = above[-1]
            self._share = left / (self.cost(self._upper) - self.cost(self._lower))
        if above or self._lower is Level.FULL:
            self._waited, self._trying = 0, None
        elif self._lower > at_best and self._trying is None:
            self._try_again(period)

    def _fits(self, level: Level, time: float) -> bool:
        if level is self._levels[self._asleep - 1]:  # the network goes to sleep only if it took too long each time
            return min(self._costs[level], default=0) <= time
        return self.cost(level) <= time

    def _try_again(self, period: int) -> None:
        """Now and then, measure a level anew that took too long even to take turns: the longer, the more seldom."""
        target = self._levels[self._levels.index(self._lower) - 1]
        self._waited += 1
        if self._waited >= min(PATIENCE * max(1.0, self.cost(target) / period), MAX_PATIENCE):
            self._trying, self._waited = target, 0
