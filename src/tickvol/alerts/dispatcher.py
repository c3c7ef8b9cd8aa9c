"""The alert dispatcher: readings in, alerts into the ledger, then notifications out to the sinks."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tickvol.alerts.book import OPEN, Book, Fate, Made, Tried
from tickvol.alerts.hysteresis import AlertRule, Measurement, decide
from tickvol.alerts.ledger import AlertLedger, Writer
from tickvol.alerts.notifications import Alert, Notice, digest_of, notice_key
from tickvol.alerts.routing import SinkRoute, destinations
from tickvol.core.errors import Busy, DeliveryRefused, WorkError
from tickvol.storage.files import exclusive

logger = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 10.0


class Sink(Protocol):
    """A destination of notifications."""

    def deliver(self, notice: Notice, key: str) -> None:
        """Deliver a notification; returns once the sink has it, and `key` lets the sink recognise a repeated delivery.

        Raises
        ------
        DeliveryRefused
            If it will never accept this notification.
        WorkError, OSError
            If it cannot accept it now.
        """


@dataclass(frozen=True, slots=True)
class Visit:
    """Result of a delivery to a sink: `open` is retried, `refused` is not, `held` waits for the end of quiet hours."""

    sink: str
    delivered: int
    open: int
    refused: int
    held: int
    detail: str | None


class AlertDispatcher:
    """Decides on alerts, records them and delivers them.

    Parameters
    ----------
    ledger : earlier notifications and their delivery states.
    routes : sinks, the severities that they take and their quiet hours.
    sinks : constructor of each sink; called once, when there is something to deliver.
    now_ns : our clock.
    repeat_after_ns : see `decide`.
    """

    def __init__(
        self,
        ledger: AlertLedger,
        routes: Sequence[SinkRoute],
        sinks: Mapping[str, Callable[[], Sink]],
        *,
        now_ns: Callable[[], int],
        repeat_after_ns: int,
    ) -> None:
        self._ledger = ledger
        self._routes = routes
        self._new_sink = sinks
        self._sinks: dict[str, Sink] = {}
        self._now_ns = now_ns
        self._repeat_after_ns = repeat_after_ns

    def book(self) -> Book:
        """State of everything recorded so far."""
        return self._ledger.refresh()

    @property
    def unreadable(self) -> int:
        """Lines of the ledger that could not be read."""
        return self._ledger.unreadable

    def observe(self, rule: AlertRule, readings: Sequence[Measurement]) -> list[Alert]:
        """Judge readings and record the alerts that they cause; `deliver` sends them.

        Digests that are due are created first; otherwise a clearing would precede the digest that contains its raise.
        """
        made = []
        with self._ledger.writing() as writer:
            self._keep_quiet_hours(writer)
            for reading in readings:
                now_ns = self._now_ns()
                last = self._ledger.book.last(rule.name, reading.subject.text)
                alert = decide(last, rule, reading, now_ns=now_ns, repeat_after_ns=self._repeat_after_ns)
                if alert is not None:
                    due, held = destinations(self._routes, alert.severity, now_ns)
                    writer.add(Made(key=notice_key(alert), notice=alert, due=tuple(due), held=tuple(held)))
                    made.append(alert)
        return made

    def deliver(self) -> list[Visit]:
        """Apply quiet hours, create digests of what they held back, and deliver everything open to the sinks, in order.

        A sink that fails is skipped until the next call, so that a clearing cannot overtake its raise; a sink that
        refuses a notification for good gets the next one. One process delivers at a time; if another process is still
        delivering after `LOCK_TIMEOUT_S`, open notifications stay open.
        """
        lock = self._ledger.path.with_name(f".{self._ledger.path.name}.delivering")
        busy = Busy("another process is delivering")
        details: dict[str, tuple[int, str | None]]
        try:
            with exclusive(lock, refusal=busy, timeout_s=LOCK_TIMEOUT_S, mode=0o600):
                with self._ledger.writing() as writer:
                    self._keep_quiet_hours(writer)
                details = {sink: self._visit(sink) for sink in self._open_sinks()}
        except Busy:
            details = dict.fromkeys(self._open_sinks(), (0, str(busy)))
        book = self.book()
        names = dict.fromkeys([*(route.sink for route in self._routes), *details, *self._waiting_sinks(book)])
        return [self._told(book, sink, *details.get(sink, (0, None))) for sink in names]

    def give_up(self, sink: str) -> int:
        """Record that notifications open, refused or held at a sink will not be sent; return their number."""
        return self._mark(sink, (*OPEN, Fate.REFUSED, Fate.HELD), Fate.GIVEN_UP, "given up manually")

    def try_refused_again(self) -> int:
        """Make refused notifications due again; return their number."""
        return self._mark(None, (Fate.REFUSED,), Fate.DUE, "to be retried")

    def _mark(self, sink: str | None, fates: Sequence[Fate], fate: Fate, detail: str) -> int:
        with self._ledger.writing() as writer:
            found = list(self._ledger.book.with_fate(*fates, sink=sink))
            for entry, name in found:
                writer.add(Tried(key=entry.key, sink=name, fate=fate, at_ns=self._now_ns(), detail=detail))
        return len(found)

    def _keep_quiet_hours(self, writer: Writer) -> None:
        """Hold open notifications where quiet hours have begun; create one digest per sink where they have ended."""
        now_ns = self._now_ns()
        for route in self._routes:
            ripe = {}
            for entry, sink in list(self._ledger.book.with_fate(*OPEN, Fate.HELD, sink=route.sink)):
                is_held = entry.deliveries[sink].fate is Fate.HELD
                if route.waits(entry.notice.severity, now_ns):
                    if not is_held:
                        writer.add(Tried(key=entry.key, sink=sink, fate=Fate.HELD, at_ns=now_ns, detail="quiet hours"))
                elif is_held:
                    ripe[entry.key] = entry.notice
            if ripe:
                digest = digest_of(list(ripe.values()), now_ns)
                writer.add(Made(key=notice_key(digest), notice=digest, due=(route.sink,), of=tuple(ripe)))

    def _visit(self, sink: str) -> tuple[int, str | None]:
        """Deliver what is open, including what arrives meanwhile; return the number delivered and the final error."""
        delivered, detail = 0, None
        while detail is None and (found := next(self.book().with_fate(*OPEN, sink=sink), None)):
            entry = found[0]
            fate, told = self._hand_over(sink, entry.notice, entry.key)
            with self._ledger.writing() as writer:
                writer.add(Tried(key=entry.key, sink=sink, fate=fate, at_ns=self._now_ns(), detail=told))
            delivered += fate is Fate.DELIVERED
            detail = told if fate is Fate.FAILED else None
        return delivered, detail

    def _hand_over(self, sink: str, notice: Notice, key: str) -> tuple[Fate, str | None]:
        if sink not in self._new_sink:
            return Fate.FAILED, "not configured; configure it, or `tickvol alerts flush --give-up` it"
        try:
            if sink not in self._sinks:
                self._sinks[sink] = self._new_sink[sink]()
            self._sinks[sink].deliver(notice, key)
        except DeliveryRefused as error:
            logger.error("alert %s refused by %s: %s", key, sink, error)
            return Fate.REFUSED, str(error)
        except (WorkError, OSError) as error:
            logger.warning("alert %s not delivered to %s: %s", key, sink, error)
            return Fate.FAILED, str(error)
        return Fate.DELIVERED, None

    def _open_sinks(self) -> list[str]:
        return list(dict.fromkeys(sink for _, sink in self.book().with_fate(*OPEN)))

    @staticmethod
    def _waiting_sinks(book: Book) -> list[str]:
        return list(dict.fromkeys(sink for _, sink in book.with_fate(*OPEN, Fate.REFUSED, Fate.HELD)))

    @staticmethod
    def _told(book: Book, sink: str, delivered: int, detail: str | None) -> Visit:
        left, refused, held = (
            sum(1 for _ in book.with_fate(*fates, sink=sink)) for fates in (OPEN, (Fate.REFUSED,), (Fate.HELD,))
        )
        return Visit(sink, delivered, left, refused, held, detail)
