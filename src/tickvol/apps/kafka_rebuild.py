"""`tickvol kafka rebuild`: recreate the topics and the dataset from the raw archive."""

import argparse
import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tickvol.command import agreed, command_parser, run_command
from tickvol.core.errors import BrokerUnavailable, InputError, UsageError, WorkError

if TYPE_CHECKING:
    from tickvol.capture.publish_progress import ProgressFile
    from tickvol.config import Config
    from tickvol.volatility.settings.stream import FeaturesConfig, ScoringConfig

DESCRIPTION = """Recreate the topics from the raw archive, after the broker's data were lost or damaged.

Deletes all declared topics except the alert topic, and the offsets of featurizer and scorer. Then publishes the whole
archive and runs the featurizer to its end, which refills the feature topic and rewrites the dataset. Messages that are
not in the archive are lost: dead-letter records of other producers, resubmitted records, predictions and outcomes.
`tickvol score` recreates predictions and outcomes, but too late to be graded: run `tickvol performance` first.

Stop the featurizer, the scorer and any `tickvol publish` first. A running capture continues: its publisher sends the
frames received in the meantime afterwards. After an interruption at any point, run the command again."""

LOCK_TIMEOUT_S = 3.0
MARGIN_S = 3.0
POLL_S = 0.2
_LOOKED_AT = 100
_CAPTURE = re.compile(r"^(\d{8}T\d{6}Z(?:-\d+)?)-\d+$")


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol kafka rebuild`."""
    parser = command_parser("kafka rebuild", DESCRIPTION)
    parser.add_argument("--yes", action="store_true", help="delete without asking; default: ask first")
    parser.add_argument(
        "--accept-loss",
        action="store_true",
        help="rebuild even if the archive has lost files, or parts of files, that the topics may hold; default: no",
    )
    return run_command(parser, _rebuild, argv)


def _rebuild(options: argparse.Namespace) -> int:
    from tickvol.bus.client import new_admin
    from tickvol.bus.recreate import recreate_topics
    from tickvol.config import load_config
    from tickvol.eventlog.archive_reader import frame_files
    from tickvol.storage.files import replace_directory
    from tickvol.systems import all_topics
    from tickvol.volatility.dataset import remove_tree
    from tickvol.volatility.featurizer.kafka_worker import featurize_kafka

    config = load_config(options.config)
    raw_dir, kafka = config.ingestion.raw_dir, config.kafka
    files = frame_files(raw_dir) if raw_dir.is_dir() else []
    if not files:
        raise InputError(f"ingestion.raw_dir: {raw_dir}: holds no capture to rebuild from; nothing was deleted")
    with _lock(raw_dir) as progress, contextlib.closing(new_admin(kafka)) as admin:
        for section, settings in (("features", config.features), ("scoring", config.scoring)):
            _wait_for_empty_group(admin, config, section, settings)
        if not options.accept_loss:
            _check_captures(config, {path.name.partition("_")[0] for path in files})
            _check_readable(files)
        _ask(config, files, yes=options.yes)
        for line in recreate_topics(
            admin, kafka, all_topics(config), (config.features.group_id, config.scoring.group_id)
        ):
            print(f"topics     {line}", flush=True)
        progress.forget()
        _publish(config, progress)
    target = Path(os.path.abspath(config.features.dataset_dir))
    new = target.with_name(f".rebuilt.{target.name}")
    remove_tree(new)
    featurize_kafka(config, config.products, new, until_end=True, on_summary=lambda lines: print("\n".join(lines)))
    print(f"dataset     {new}\nrejected    topic {kafka.topic_deadletter}")
    new.mkdir(parents=True, exist_ok=True)
    replace_directory(new, target)
    print(f"rebuilt    {target}; start the featurizer again")
    return 0


@contextlib.contextmanager
def _lock(raw_dir: Path) -> "Iterator[ProgressFile]":
    """Locked progress file of the archive; a capture's publisher waits while it is locked."""
    from tickvol.capture.publish_progress import ProgressFile

    progress = ProgressFile(raw_dir)
    try:
        until = time.monotonic() + LOCK_TIMEOUT_S  # a failing publisher releases the lock by itself
        while not progress.lock():
            if time.monotonic() > until:
                raise WorkError(
                    f"ingestion.raw_dir: {raw_dir}: a capture or `tickvol publish` publishes it; stop that one first"
                )
            time.sleep(POLL_S)
        yield progress
    finally:
        progress.close()


def _wait_for_empty_group(
    admin: object, config: "Config", section: str, settings: "FeaturesConfig | ScoringConfig"
) -> None:
    """Wait until the sessions of ended members expire; refuse if a member is still alive."""
    from tickvol.bus.recreate import group_members

    until = time.monotonic() + settings.session_timeout_ms / 1000 + MARGIN_S
    reported = False
    while members := group_members(admin, config.kafka, settings.group_id):
        if time.monotonic() > until:
            raise WorkError(
                f"{section}.group_id: {settings.group_id}: instance {', '.join(members)} is alive; stop it first"
            )
        if not reported:
            reported = True
            print(f"group      {settings.group_id}: waiting for the session of {', '.join(members)} to end", flush=True)
        time.sleep(POLL_S)


def _check_readable(files: Sequence[Path]) -> None:
    """Refuse to delete topics if an archive file is damaged."""
    from tickvol.core.errors import CorruptFile
    from tickvol.eventlog.archive_reader import why_unreadable

    for path in files:
        if why := why_unreadable(path):
            raise CorruptFile(
                f"{path}: cannot be read to its end ({why}); nothing was deleted; restore the file, or use"
                " --accept-loss to rebuild from its readable part"
            )


def _check_captures(config: "Config", captures: set[str]) -> None:
    """Refuse to delete records of captures that the archive no longer holds; it deletes its oldest files first."""
    import msgspec

    from tickvol.bus.messages import decode_record
    from tickvol.bus.reading import TopicReader
    from tickvol.core.errors import TopicMismatch
    from tickvol.core.records import Gap

    found: set[str] = set()
    with (
        contextlib.suppress(TopicMismatch),
        TopicReader(config.kafka, config.ingestion.topic, client_id="rebuild") as topic,
    ):
        left = {number: min(_LOOKED_AT, end - topic.first[number]) for number, end in topic.end.items()}
        for messages in topic.whole():
            for message in messages:
                left[message.partition] -= 1
                with contextlib.suppress(msgspec.DecodeError):
                    record = decode_record(message.value or b"")
                    if left[message.partition] >= 0 and not isinstance(record, Gap):
                        found.update(_CAPTURE.findall(record.connection_id))
            if max(left.values()) <= 0:
                break
    missing = sorted(found - captures)
    if missing:
        raise WorkError(
            f"{config.ingestion.topic}: begins with records of captures that {config.ingestion.raw_dir} no longer"
            f" holds ({', '.join(missing[:3])}); nothing was deleted; use --accept-loss to give them up"
        )


def _ask(config: "Config", files: Sequence[Path], *, yes: bool) -> None:
    from tickvol.systems import all_topics

    kafka = config.kafka
    print(f"broker     {kafka.bootstrap_servers}")
    print(f"deletes    {', '.join(spec.name for spec in all_topics(config) if spec.rebuildable)}")
    print(f"offsets    of {config.features.group_id}, {config.scoring.group_id}")
    print(f"from       {config.ingestion.raw_dir}: {len(files)} files, {files[0].name} to {files[-1].name}", flush=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("--yes: is required without a terminal to ask on; nothing was deleted")
    if not agreed("delete and rebuild?"):
        raise WorkError("not confirmed; nothing was deleted")


def _publish(config: "Config", progress: "ProgressFile") -> None:
    from tickvol.capture.publisher import Publisher

    publisher = Publisher(
        config.kafka,
        config.ingestion,
        config.products,
        grace_ms=config.features.grace_ms,
        batch_size=config.features.batch_size,
        follow=lambda: False,
        stopped=lambda: False,
        progress=progress,
    )
    if not publisher.run():
        raise BrokerUnavailable(f"{config.ingestion.topic}: not all was acknowledged in time; run the rebuild again")
    figures = publisher.figures
    print(f"published  {figures.records:,} records, {figures.letters:,} dead-letter records", flush=True)
