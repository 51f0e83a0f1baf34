"""Being in time: how late a frame is, what is done about it, and what the pipeline is told of it."""

import threading
import time
from typing import Protocol

from alanet_gst.errors import must
from alanet_gst.gst import Gst
from alanet_gst.mix import NO_LIMIT, Mix
from alanet_gst.qos import LAG_LIMIT, Backlog, Downstream, Governor, Level
from alanet_gst.settings import Settings
from alanet_gst.stats import Latency, Stats

MILLISECOND = 1_000_000
QUALITY = {Level.FULL: 1_000_000, Level.REPEAT: 750_000, Level.PASS: 500_000, Level.BYPASS: 500_000, Level.DROP: 0}
"""What QOS messages say; GStreamer's full quality is 1000000."""


class Teller(Protocol):
    """The element, as far as it is told things here."""

    def post_message(self, message: Gst.Message) -> bool:
        """Put a message on the bus."""

    def warn(self, text: str) -> None:
        """Put a warning on the bus."""

    def clock_now(self) -> int | None:
        """The running time that the pipeline's clock shows, None where it does not run."""


class Pace:
    """One for each run. The streaming thread's, but for `late_below`, `asked` and `distributed`."""

    def __init__(self, teller: Teller, settings: Settings, stats: Stats) -> None:
        self._teller = teller
        self._settings = settings
        self._stats = stats
        self._governor = Governor(settings.mode)
        self._mix = Mix(settings.mode)
        self._level = Level.FULL
        self._backlog = Backlog()
        self._downstream = Downstream()
        self._guard = threading.Lock()
        self._latency = Latency()
        self._lookahead = 0
        self._early = False
        self._live = False
        self._period: int | None = None
        self._upstream = 0
        self._pipeline: int | None = None

    def begin(self, *, lookahead: int, live: bool, early: bool, work: int, delay: int) -> None:
        """New caps. early: input frames go out before their middles. Of one frame, measured, in ns: all of its work,
        and the time until its first buffer.
        """
        self._lookahead, self._live, self._early = lookahead, live, early
        self._latency.seed(delay)
        self._mix.begin(work)

    def restart_clock(self) -> None:
        """The clock has been stopped, or the frames begin anew: what was known of being late is void."""
        self._backlog = Backlog()
        self._mix.planned = 0
        with self._guard:
            self._downstream.forget()

    def late_below(self, stamp: int, late: int) -> None:
        """A QOS event: the buffer of running time `stamp` came `late` ns too late."""
        with self._guard:
            self._downstream.report(stamp, late, self._period or 0)

    def asked(self, upstream: int) -> None:
        """The pipeline has asked for the latency, and upstream has told its own."""
        self._upstream = upstream

    def distributed(self, latency: int) -> None:
        """The pipeline has told the sinks by how much to be later than the source."""
        self._pipeline = latency

    def busy(self, duration: int) -> None:
        """We have worked for so long, downstream's time not counted."""
        self._backlog.busy(duration)

    def decide(self, running: int | None, period: int | None) -> tuple[Level, int]:
        """The level for a frame of that running time, and how late it is; period in running time."""
        self._period = period
        if running is None or not period:
            return Level.FULL, 0
        with self._guard:
            lag, in_time = self._downstream.lag(running, period), self._downstream.heard
        now = self._teller.clock_now() if self._live else None
        if now is not None:
            pipeline = self.latency if self._pipeline is None else self._pipeline - self._upstream
            asleep = self._level >= Level.BYPASS
            lag = max(lag, self._backlog.lag(running, now, period, allowance=max(0, pipeline), asleep=asleep))
            in_time = True
        self._level = self._give_way(lag, period, in_time=in_time) if self._settings.qos else Level.FULL
        return self._level, lag

    def _give_way(self, lag: int, period: int, *, in_time: bool) -> Level:
        """in_time: the frame rate must be held; nobody waits for a file that is written."""
        at_best = self._governor.decide(lag, period, planned=self._mix.planned)
        room = NO_LIMIT
        if self._settings.latency_budget:
            left = self._settings.latency_budget * MILLISECOND - self.waiting(period)
            room = left if left >= 0 else NO_LIMIT  # a budget that cannot be held is ignored
        return self._mix.decide(max(0, lag), period if in_time else NO_LIMIT, at_best=at_best, room=room)

    def waiting(self, step: int | None) -> int:
        """How long a frame is held for those that follow it."""
        if step is None:
            return 0
        return self._lookahead * step - (step // 2 if self._early else 0)

    def took(self, level: Level, cost: int, pairs: int) -> None:
        """A frame of that level has cost so much work, and so many pairs were made."""
        self._mix.took(level, cost, pairs)

    def processed(self, time_taken: int, level: Level) -> None:
        """The work on a pair, at that level, took so long."""
        self._latency.processed(time_taken, level)

    @property
    def latency(self) -> int:
        """What a LATENCY query is answered, in ns."""
        return self._latency.answer

    def tell_latency(self, step: int | None) -> None:
        """Post a LATENCY message where the answer has changed. step: from frame to frame, lately."""
        waiting = self.waiting(step)
        processing = max(self._latency.processing(self._mix.upper), self._mix.taken)
        if self._settings.qos and step:
            processing = min(processing, int(LAG_LIMIT * step))
            if self._settings.latency_budget:
                room = self._settings.latency_budget * MILLISECOND - waiting
                processing = min(processing, max(0, room))
        if self._latency.update(waiting + processing, time.monotonic_ns()):
            self._stats.answered = self._latency.answer
            if self._live:
                self._teller.post_message(Gst.Message.new_latency(self._teller))

    def warn_of_budget(self, step: int | None) -> None:
        """Say so where no quality is low enough for the budget."""
        budget, waiting = self._settings.latency_budget * MILLISECOND, self.waiting(step)
        if 0 < budget < waiting:
            least = f"at least {-(-waiting // MILLISECOND)} ms, the wait for the {self._lookahead} frame(s) that follow"
            remedy = "it is ignored; raise it, or set mode=interpolate, which waits half a frame less"
            self._teller.warn(must("latency-budget", least, self._settings.latency_budget, remedy))

    def tell_qos(self, level: Level, lag: int, place: tuple[int, int, int, int]) -> None:
        """Post a QOS message for a frame that gets less than the mode asks for.

        place: its running time, stream time, timestamp and duration.
        """
        message = Gst.Message.new_qos(self._teller, self._live, *place)
        proportion = 1.0 + lag / self._period if self._period else 1.0
        message.set_qos_values(lag, proportion, QUALITY[level])
        late = self._stats["late"]
        message.set_qos_stats(Gst.Format.BUFFERS, self._stats["in"] - late, late)
        self._teller.post_message(message)
