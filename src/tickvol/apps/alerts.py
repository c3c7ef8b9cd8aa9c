"""`tickvol alerts`: list alerts and their delivery, test the sinks, deliver pending notifications."""

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tickvol.alerts.notifications import Severity
from tickvol.command import command_parser, run_command

if TYPE_CHECKING:
    from tickvol.alerts.book import TrackedNotice
    from tickvol.alerts.dispatcher import AlertDispatcher, Visit
    from tickvol.config import Config

DESCRIPTION = """List alerts and deliver notifications.

  list    sinks, active alerts, and the newest notifications with their delivery status in each sink
  test    raise and clear an alert named `test`, and deliver it to every sink that accepts its severity
  flush   deliver pending notifications: failed deliveries, and digests of those held back in quiet hours. For cron

test and flush exit with 1 while a notification is undelivered; it stays in the ledger for the next flush. A
notification that a sink refused is retried only with --refused."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol alerts`."""
    parser = command_parser("alerts", DESCRIPTION)
    parser.add_argument("action", choices=("list", "test", "flush"), help="what to do")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="list: number of newest notifications")
    parser.add_argument("--json", action="store_true", help="list: print JSON")
    parser.add_argument("--severity", choices=list(Severity), default=Severity.WARNING, help="test: severity")
    parser.add_argument("--refused", action="store_true", help="flush: also retry notifications that a sink refused")
    parser.add_argument(
        "--give-up", metavar="SINK", help="flush: abandon all notifications pending for SINK; default: none"
    )
    return run_command(parser, _alerts, argv)


def _alerts(options: argparse.Namespace) -> int:
    from tickvol.alerts.configured import SINKS, open_dispatcher
    from tickvol.config import load_config
    from tickvol.core.errors import UsageError

    config = load_config(options.config)
    if options.limit < 1:
        raise UsageError(f"--limit: {options.limit}: must be at least 1")
    if options.give_up is not None and options.give_up not in SINKS:
        raise UsageError(f"--give-up: {options.give_up!r}: must be one of {', '.join(SINKS)}")
    with open_dispatcher(config.alerts, config.kafka) as dispatcher:
        if options.action == "list":
            return _list(options, dispatcher, config)
        return _test(options, dispatcher) if options.action == "test" else _flush(options, dispatcher)


def _test(options: argparse.Namespace, dispatcher: "AlertDispatcher") -> int:
    from tickvol.alerts.hysteresis import AlertRule, Measurement
    from tickvol.alerts.notifications import Subject

    rule = AlertRule("test", Severity(options.severity), raise_above=0.5, clear_below=0.5)
    for value, reason in ((1.0, "a test of the sinks; nothing is wrong"), (0.0, "the test is over")):
        reading = Measurement(Subject(detector="test"), value, {"value": value}, reason, time.time_ns())
        print(f"made       {len(dispatcher.observe(rule, [reading]))}: {reason}")
    return _end(dispatcher.deliver())


def _flush(options: argparse.Namespace, dispatcher: "AlertDispatcher") -> int:
    if options.give_up:
        print(f"given up   {dispatcher.give_up(options.give_up)} of {options.give_up}")
    if options.refused:
        print(f"again      {dispatcher.try_refused_again()} refused notifications")
    return _end(dispatcher.deliver())


def _end(visits: "Sequence[Visit]") -> int:
    from tickvol.alerts.configured import delivery_lines, is_settled

    print("\n".join(delivery_lines(visits)))
    return 0 if is_settled(visits) else 1


def _list(options: argparse.Namespace, dispatcher: "AlertDispatcher", config: "Config") -> int:
    book = dispatcher.book()
    newest = list(book.entries.values())[::-1][: options.limit]
    if options.json:
        _print_json(
            {
                "sinks": _sinks(config),
                "unreadable_lines": dispatcher.unreadable,
                "standing": book.standing(),
                "notices": len(book.entries),
                "newest": [_as_json(entry) for entry in newest],
            }
        )
        return 0
    for sink, place in _sinks(config).items():
        print(f"{sink:<10} {place}")
    if dispatcher.unreadable:
        print(f"unreadable {dispatcher.unreadable} lines of {config.alerts.ledger}; see the log")
    standing = book.standing()
    print(f"standing   {len(standing)}")
    for alert in standing:
        print(
            f"  {_moment(alert.made_time_ns)}  {alert.severity:<8}  {alert.name}  {alert.subject.text}: {alert.reason}"
        )
    print(f"history    {len(book.entries)} notifications, newest first")
    for entry in newest:
        print(f"  {_line(entry)}")
    return 0


def _sinks(config: "Config") -> dict[str, str]:
    from tickvol.alerts.configured import FILE, TOPIC, WEBHOOK, new_webhook

    alerts = config.alerts
    places = {TOPIC: config.alerts.topic, FILE: str(alerts.file), WEBHOOK: "none"}
    if alerts.webhook.url.get_secret_value():
        places[WEBHOOK] = f"{new_webhook(alerts.webhook).place}, signed with {alerts.webhook.secret}"
    taken = {TOPIC: alerts.topic_severities, FILE: alerts.file_severities, WEBHOOK: alerts.webhook_severities}
    return {
        sink: place
        if place == "none"
        else f"{place}: {', '.join(s for s in Severity if s in taken[sink]) or 'nothing'}"
        for sink, place in places.items()
    }


def _line(entry: "TrackedNotice") -> str:
    from tickvol.alerts.notifications import Alert

    notice = entry.notice
    fates = ", ".join(f"{sink} {_fate(delivery)}" for sink, delivery in entry.deliveries.items()) or "no sink"
    when = _moment(notice.made_time_ns)
    if not isinstance(notice, Alert):
        return f"{when}  digest of {len(notice.alerts)} ({notice.severity}) [{fates}]"
    again = f" again ({notice.repeat})" if notice.repeat else ""
    what = f"{notice.severity} {notice.name} {notice.state}{again}  {notice.subject.text}: {notice.reason}"
    return f"{when}  {what} [{fates}]"


def _fate(delivery: Any) -> str:
    from tickvol.alerts.book import OPEN, Fate

    if delivery.fate not in (*OPEN, Fate.REFUSED) or not delivery.detail:
        return str(delivery.fate)
    return f"{delivery.fate} ({delivery.detail})"


def _as_json(entry: "TrackedNotice") -> dict[str, Any]:
    import dataclasses

    deliveries = {sink: dataclasses.asdict(delivery) for sink, delivery in entry.deliveries.items()}
    return {"key": entry.key, "notice": entry.notice, "deliveries": deliveries}


def _moment(at_ns: int) -> str:
    from tickvol.core.times import iso

    return iso(at_ns)


def _print_json(about: object) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(about), indent=2).decode())
