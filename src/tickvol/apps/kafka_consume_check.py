"""`tickvol kafka-consume-check`: contents, missing messages and staleness of a topic."""

import argparse
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tickvol.command import command_parser, run_command
from tickvol.core.times import NS_PER_S

if TYPE_CHECKING:
    from tickvol.bus.reading import TopicReader

DESCRIPTION = """Read a topic for --duration seconds and report its contents.

Reads new messages or, with --from-beginning, all messages up to the end offset at the start, and stops when it reaches
that offset. Joins no group and commits nothing, so other consumers are not affected. Exit code 1 when a given limit is
exceeded or when there was no message to read. A limit that is not given does not apply."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol kafka-consume-check`."""
    parser = command_parser("kafka-consume-check", DESCRIPTION)
    parser.add_argument("--duration", type=float, default=60.0, metavar="S", help="maximum time to read, in seconds")
    parser.add_argument("--topic", metavar="T", help="one of the declared topics; default: ingestion.topic")
    parser.add_argument("--from-beginning", action="store_true", help="read the topic from its first message")
    parser.add_argument(
        "--min-messages",
        type=int,
        metavar="N",
        help="fail with fewer messages; 0 accepts an empty topic; default: at least one message",
    )
    parser.add_argument(
        "--max-staleness",
        type=float,
        metavar="S",
        help="fail if the newest record was received more than S seconds before the end; default: no limit",
    )
    parser.add_argument(
        "--max-schema-errors", type=int, metavar="N", help="fail with more schema errors; default: no limit"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return run_command(parser, _check, argv)


def _check(options: argparse.Namespace) -> int:
    from tickvol.bus.check import LogCheck
    from tickvol.bus.reading import TopicReader
    from tickvol.bus.topics import topic_named
    from tickvol.config import load_config
    from tickvol.core.errors import UsageError
    from tickvol.systems import all_topics

    config = load_config(options.config)
    problems = [
        f"--{name.replace('_', '-')}: {value}: must be {rule}"
        for name, value, holds, rule in (
            ("duration", options.duration, 0 < options.duration < math.inf, "a positive number of seconds"),
            ("min_messages", options.min_messages, (options.min_messages or 0) >= 0, "at least 0"),
            ("max_staleness", options.max_staleness, (options.max_staleness or 0) >= 0, "at least 0 seconds"),
            ("max_schema_errors", options.max_schema_errors, (options.max_schema_errors or 0) >= 0, "at least 0"),
        )
        if not holds
    ]
    if problems:
        raise UsageError(problems)
    topic = topic_named(all_topics(config), options.topic or config.ingestion.topic)
    with TopicReader(config.kafka, topic.name, client_id="tickvol-consume-check") as reader:
        check = LogCheck(topic.validator, counts_numbers=topic.numbered, live_from=dict(reader.end))
        reader.seek(reader.first if options.from_beginning else reader.end)
        seconds, ended = _read(reader, check, options.duration, to_end=options.from_beginning)
        positions, ends = reader.positions(), reader.end_now()
    now_ns = time.time_ns()
    report: dict[str, Any] = {
        "topic": topic.name,
        "from_beginning": options.from_beginning,
        "ended_by": ended,
        "seconds": seconds,
        "rate_per_s": check.messages / seconds,
        **check.report(),
        "lag": {str(number): ends[number] - positions[number] for number in sorted(ends)},
        "staleness_s": None if check.newest_ns is None else (now_ns - check.newest_ns) / NS_PER_S,
    }
    report["broken_limits"] = broken_limits(
        report, options.min_messages, options.max_staleness, options.max_schema_errors
    )
    if options.json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        print("\n".join(report_lines(report)))
    return 1 if report["broken_limits"] else 0


def _read(reader: "TopicReader", check: Any, duration_s: float, *, to_end: bool) -> tuple[float, str]:
    """Read until the time is up or, with `to_end`, the end offset at the start; return the seconds and the cause."""
    started = time.monotonic()
    while (left := started + duration_s - time.monotonic()) > 0:
        if to_end and reader.has_reached(reader.end):
            return time.monotonic() - started, "end"
        messages = reader.poll(min(left, 0.2))
        if to_end:
            messages = [message for message in messages if message.offset < reader.end[message.partition]]
        check.take(messages, time.time_ns())
    return time.monotonic() - started, "duration"


def broken_limits(
    report: dict[str, Any], min_messages: int | None, max_staleness_s: float | None, max_schema_errors: int | None
) -> list[str]:
    """One line for each exceeded limit; an empty topic fails unless `min_messages` is 0."""
    messages, errors, stale_s = report["messages"], report["schema_errors"]["total"], report["staleness_s"]
    broken = []
    if messages == 0 and min_messages != 0:
        whence = "it holds none" if report["from_beginning"] else "none came; --from-beginning reads those of before"
        broken.append(f"{report['topic']}: no message in {report['seconds']:.1f} s: {whence}")
    if min_messages is not None and messages < min_messages:
        broken.append(f"--min-messages: {min_messages}: there were {messages}")
    if max_staleness_s is not None and (stale_s is None or stale_s > max_staleness_s):
        found = "no record with a receive time was read" if stale_s is None else f"{stale_s:.1f} s"
        broken.append(f"--max-staleness: {max_staleness_s:g} s: the newest record's: {found}")
    if max_schema_errors is not None and errors > max_schema_errors:
        broken.append(f"--max-schema-errors: {max_schema_errors}: there were {errors}")
    return broken


def report_lines(report: dict[str, Any]) -> list[str]:
    """Human-readable lines of the report."""
    sequence, errors, disorder = report["sequence"], report["schema_errors"], report["disorder"]
    until = {"end": "up to the end at the start", "duration": "until the time was up"}[report["ended_by"]]
    since = "from the beginning" if report["from_beginning"] else "new messages"
    gaps = f"{sum(sequence['gap_records'].values())} gap records{_named(sequence['gap_records'])}"
    absent = (
        f"sequence    {sequence['missing']} numbers missing in {sequence['groups']} groups"
        f"{_named(dict(list(sequence['missing_by_group'].items())[-5:]))};"
        f" {gaps} with {sequence['gap_numbers']} lost numbers"
    )
    lines = [
        f"topic       {report['topic']}, {since}, {until}, {report['seconds']:.1f} s",
        f"messages    {report['messages']}, {report['rate_per_s']:.1f}/s",
        f"kinds       {_joined(report['by_kind'])}",
        f"products    {_joined(report['by_product'])}",
        f"partitions  {_joined(report['by_partition'])}",
        f"schema      {errors['total']} errors{_named(errors['by_reason'])}",
        *(
            f"            {report['topic']}-{item['partition']}@{item['offset']}: {item['reason']}"
            for item in errors["first"]
        ),
        absent,
        f"duplicates  {report['duplicates']}",
        f"disorder    {disorder['messages']} behind their product's newest, by at most {disorder['at_most_ms']:.3f} ms",
        f"lag         {_joined(report['lag'])}",
        f"delay       exchange to receipt: {_delay(report['delay']['exchange_to_receipt'])}",
        f"            receipt to here, new messages only: {_delay(report['delay']['receipt_to_here'])}",
        f"newest      {_ago(report['staleness_s'])}",
    ]
    if report["forgotten_numbers"]:
        lines.append("memory      full: duplicates of old messages were counted as new")
    return lines + [f"broken      {line}" for line in report["broken_limits"]]


def _joined(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _named(counts: dict[str, int]) -> str:
    return f" ({_joined(counts)})" if counts else ""


def _delay(summary: dict[str, float]) -> str:
    if not summary["count"]:
        return "none measured"
    return f"p50 {summary['p50_ms']:.3f}, p99 {summary['p99_ms']:.3f}, max {summary['max_ms']:.3f} ms"


def _ago(seconds: float | None) -> str:
    return "no record with a receive time" if seconds is None else f"received {seconds:.3f} s ago"
