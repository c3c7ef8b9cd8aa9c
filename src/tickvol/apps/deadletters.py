"""`tickvol deadletters`: list, show and resubmit dead-letter records."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tickvol.command import command_parser, run_command
from tickvol.core.times import NS_PER_S

if TYPE_CHECKING:
    from tickvol.bus.dead_letters import StoredDeadLetter
    from tickvol.config import Config
    from tickvol.core.records import Record

DESCRIPTION = """Inspect the dead-letter topic and resubmit dead-letter records.

  list             number of records by reason, and the newest records
  show ID ...      complete records; --save writes the bytes of one to a file, where they can be corrected
  resubmit ID ...  decode the record's bytes, or those of --file, again and send the result to the tick topic with its
                   original identity (connection and sequence number), so that no tick counts twice. Input that is still
                   invalid is refused with the reason, exit code 1. The dead-letter topic records the resubmission.

A tick can only change a bar that is still open. A later tick enters the log, counts as late and becomes a dead-letter
record again. This is certain for records with the reason `late`, so resubmitting them needs --again, as does
resubmitting a record a second time."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol deadletters`."""
    parser = command_parser("deadletters", DESCRIPTION)
    parser.add_argument("action", choices=("list", "show", "resubmit"), help="what to do")
    parser.add_argument("ids", nargs="*", metavar="ID", help="records as TOPIC-PARTITION@OFFSET, as shown by list")
    parser.add_argument("--reason", metavar="R", help="list: records with this reason only; default: every reason")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="list: number of newest records to show")
    parser.add_argument("--save", type=Path, metavar="FILE", help="show: write the bytes to FILE; default: not written")
    parser.add_argument(
        "--file",
        type=Path,
        metavar="CORRECTED",
        help="resubmit: send this file's bytes, without a final line feed; default: the record's own bytes",
    )
    parser.add_argument("--again", action="store_true", help="resubmit: also late or already resubmitted records")
    parser.add_argument("--json", action="store_true", help="list, show: print JSON")
    return run_command(parser, _deadletters, argv)


def _deadletters(options: argparse.Namespace) -> int:
    from tickvol.config import load_config
    from tickvol.core.errors import UsageError

    config = load_config(options.config)
    single = "--save" if options.save else "--file" if options.file else None
    if options.action == "list" and options.ids:
        raise UsageError(f"ID: {options.ids[0]}: list takes no ID; use `tickvol deadletters show`")
    if options.action != "list" and not options.ids:
        raise UsageError(f"ID: none: {options.action} needs one; `tickvol deadletters list` shows them")
    if single and len(options.ids) != 1:
        raise UsageError(f"{single}: {options.save or options.file}: takes exactly one ID")
    if options.limit < 1:
        raise UsageError(f"--limit: {options.limit}: must be at least 1")
    return {"list": _list, "show": _show, "resubmit": _resubmit}[options.action](options, config)


def _list(options: argparse.Namespace, config: "Config") -> int:
    from tickvol.bus.dead_letters import read_dead_letters

    book = read_dead_letters(config.kafka, limit=options.limit, reason=options.reason)
    newest = book.newest[::-1]
    if options.json:
        counts = {"repeats": book.repeats, "resubmitted": book.resubmitted, "unreadable": book.unreadable}
        _print_json({"by_reason": dict(book.by_reason), **counts, "newest": [_as_json(letter) for letter in newest]})
        return 0
    print(f"letters     {book.by_reason.total()}, {book.resubmitted} of them sent in again; {book.repeats} repeats")
    for reason, count in book.by_reason.most_common():
        print(f"            {reason} {count}")
    if book.unreadable:
        print(f"unreadable  {book.unreadable} messages of the topic are not dead-letter records")
    for letter in newest:
        about = letter.letter
        sent = f"  resubmitted {letter.resubmitted}x" if letter.resubmitted else ""
        print(f"{letter.place}  {_moment(about.at_ns)}  {about.reason}  {about.source}  {_size(letter)} bytes{sent}")
    return 0


def _show(options: argparse.Namespace, config: "Config") -> int:
    from tickvol.bus.dead_letters import find_dead_letter

    for letter_id in options.ids:
        letter = find_dead_letter(config.kafka, letter_id)
        if options.json:
            _print_json(_as_json(letter))
        else:
            about = letter.letter
            print(f"id          {letter.place}\nsource      {about.source}\nreason      {about.reason}")
            print(f"at          {_moment(about.at_ns)}\nresubmitted {letter.resubmitted} times")
            if about.of is not None:
                print(f"outcome of  {about.of}")
            coding = "" if about.text_base64 is None else ", not UTF-8: shown as base64"
            print(f"bytes       {_size(letter)}{coding}")
            print(about.text if about.text_base64 is None else about.text_base64)
        if options.save:
            options.save.write_bytes(letter.letter.content())
    return 0


def _resubmit(options: argparse.Namespace, config: "Config") -> int:
    from tickvol.bus.dead_letters import find_dead_letter
    from tickvol.capture.resubmit import records_again
    from tickvol.core.errors import InputError

    refused = 0
    for letter_id in options.ids:
        letter = find_dead_letter(config.kafka, letter_id)
        content = letter.letter.content()
        if options.file:
            content = options.file.read_bytes().removesuffix(b"\n")
        try:
            _check_again(letter, again=options.again)
            records = records_again(
                letter.letter.source, content, config.products, max_line_bytes=config.ingestion.max_line_bytes
            )
        except InputError as error:
            refused += 1
            print(f"refused     {letter_id}: {error}")
            continue
        late = _late(records, config)
        _send(letter, records, content, config)
        names = ", ".join(f"{type(record).__name__.lower()} of {record.product_id}" for record in records)
        print(f"sent        {letter_id}: {names} to {config.ingestion.topic}")
        for line in late:
            print(f"            {line}")
    return 1 if refused else 0


def _check_again(letter: "StoredDeadLetter", *, again: bool) -> None:
    from tickvol.core.errors import InputError

    if letter.letter.of is not None:
        raise InputError(f"tells the fate of {letter.letter.of} and is nothing to send")
    if letter.resubmitted and not again:
        raise InputError(f"was sent in before, {letter.resubmitted} times; --again sends it all the same")
    if letter.letter.reason == "late" and not again:
        raise InputError("came too late and would again, its bar is closed; --again sends it all the same")


def _late(records: "Sequence[Record]", config: "Config") -> list[str]:
    """One line for each record whose bar is most probably closed already."""
    from tickvol.bus.dead_letters import CLIENT_ID
    from tickvol.bus.messages import event_time_ns
    from tickvol.bus.reading import TopicReader

    spec = config.features.spec()
    with TopicReader(config.kafka, config.ingestion.topic, client_id=CLIENT_ID) as reader:
        newest = {name: reader.newest_ms(name) for name in {record.product_id for record in records}}
    lines = []
    for record in records:
        behind_ns = (newest[record.product_id] or 0) * 1_000_000 - event_time_ns(record)
        if behind_ns > spec.grace_ns + spec.bar_ns:
            lines.append(
                f"{record.product_id}: {behind_ns / NS_PER_S:.3f} s behind the newest of the log: its bar is closed,"
                " the record will count as late and change no row"
            )
    return lines


def _send(letter: "StoredDeadLetter", records: "Sequence[Record]", content: bytes, config: "Config") -> None:
    """Send the records, then the outcome: a crash in between duplicates records, which is harmless, and loses none."""
    from tickvol.bus.client import new_producer, reaching
    from tickvol.bus.dead_letters import CLIENT_ID, RESUBMITTED
    from tickvol.bus.messages import dead_letter_message, record_message

    kafka = config.kafka
    fate = dead_letter_message(letter.letter.source, RESUBMITTED, time.time_ns(), content, of=str(letter.place))
    producer = new_producer(kafka, client_id=CLIENT_ID, delivery_timeout_ms=kafka.request_timeout_ms)
    timeout_s = 2 * kafka.request_timeout_ms / 1000
    try:
        with reaching(kafka):
            for topic, messages in (
                (config.ingestion.topic, [record_message(record) for record in records]),
                (kafka.topic_deadletter, [fate]),
            ):
                sent = [producer.send(topic, value=value, key=key, timestamp_ms=at) for key, value, at in messages]
                for future in sent:
                    future.get(timeout=timeout_s)
    finally:
        producer.close(timeout=0)


def _as_json(letter: "StoredDeadLetter") -> dict[str, Any]:
    import msgspec

    about = {"id": str(letter.place), "resubmitted": letter.resubmitted, "bytes": _size(letter)}
    return about | msgspec.to_builtins(letter.letter)  # type: ignore[no-any-return]


def _size(letter: "StoredDeadLetter") -> int:
    return len(letter.letter.content())


def _moment(at_ns: int) -> str:
    from tickvol.core.times import iso_millis

    try:
        return iso_millis(at_ns)
    except OverflowError:
        return f"{at_ns} ns"


def _print_json(about: object) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(about), indent=2).decode())
