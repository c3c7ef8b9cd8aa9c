"""`tickvol live`: broker, capture, featurizer, scorer and experiment tracker together, until Ctrl-C."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tickvol.command import command_parser, run_command
from tickvol.core.errors import UsageError, WorkError
from tickvol.storage.files import exclusive

DESCRIPTION = """Run the live path in one terminal: broker (unless one is running), MLflow UI, capture, featurizer and
scorer, which starts scoring once the registry has a champion.

Waits until each process is healthy, prints the locations of topics, data, metrics and logs, and shows a periodic status
line. Ctrl-C, SIGTERM or --duration stops the processes in order: capture, featurizer (after it has read everything),
scorer, MLflow, and the broker if this command started it. A second Ctrl-C stops immediately; the next start continues
the unfinished work.

With --simulate, a local exchange replaces the real one, with its own topics and with archive and dataset in
data/simulated, unless environment variables override them."""

SIMULATED = {
    "TICKVOL_INGESTION__RAW_DIR": "data/simulated/raw",
    "TICKVOL_FEATURES__DATASET_DIR": "data/simulated/features.parquet",
    "TICKVOL_FEATURES__GROUP_ID": "tickvol-featurizer-simulated",
    "TICKVOL_SCORING__GROUP_ID": "tickvol-scorer-simulated",
    "TICKVOL_INGESTION__TOPIC": "simulated.ticks.raw",
    "TICKVOL_FEATURES__TOPIC": "simulated.ticks.features",
    "TICKVOL_SCORING__TOPIC_PREDICTIONS": "simulated.ticks.predictions",
    "TICKVOL_SCORING__TOPIC_OUTCOMES": "simulated.ticks.outcomes",
    "TICKVOL_KAFKA__TOPIC_DEADLETTER": "simulated.ticks.deadletter",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol live`."""
    parser = command_parser("live", DESCRIPTION)
    parser.add_argument("--simulate", action="store_true", help="use a local exchange; default: ingestion.url")
    parser.add_argument("--speed", metavar="N", help="with --simulate: simulated seconds per second; default: 1")
    parser.add_argument("--duration", type=float, metavar="SECONDS", help="stop after this time; default: never")
    parser.add_argument(
        "--log-dir", type=Path, default=Path("data/live"), metavar="DIR", help="log directory, one file per process"
    )
    return run_command(parser, _live, argv)


def _live(options: argparse.Namespace) -> int:
    _check(options)
    stop = _Signals()
    if options.simulate:
        os.environ.update({name: os.environ.get(name, value) for name, value in SIMULATED.items()})
    from tickvol.config import load_config
    from tickvol.supervisor.live import LivePath

    config = load_config(options.config)
    # A second `tickvol live` would take over the featurizer's group membership of the first.
    busy = WorkError(f"--log-dir: {options.log_dir}: another `tickvol live` runs with it; end that one")
    with exclusive(options.log_dir / ".lock", refusal=busy):
        path = LivePath(
            config,
            options.config,
            options.log_dir,
            speed=(options.speed or "1") if options.simulate else None,
            tell=_tell,
            signals=lambda: stop.count,
        )
        try:
            path.start()
            path.watch(options.duration)
        finally:
            path.stop()
    return 0


def _check(options: argparse.Namespace) -> None:
    problems = []
    if options.duration is not None and not 0 < options.duration < float("inf"):
        problems.append(f"--duration: {options.duration:g}: must be above 0 seconds")
    if options.speed is not None:
        try:
            speed = float(options.speed)
        except ValueError:
            speed = 0.0
        if not 0 < speed < float("inf"):
            problems.append(f"--speed: {options.speed!r}: must be a number above 0")
        if not options.simulate:
            problems.append(f"--speed: {options.speed}: goes with --simulate; the real market has its own speed")
    if problems:
        raise UsageError(problems)


def _tell(line: str) -> None:
    """Print a line above the status line, if there is one."""
    clear = "\r\033[K" if sys.stdout.isatty() else ""
    print(f"{clear}{line}", flush=True)


class _Signals:
    """Count of received SIGINT, SIGTERM and SIGHUP."""

    def __init__(self) -> None:
        self.count = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores it
                signal.signal(number, self._note)

    def _note(self, *_: object) -> None:
        self.count += 1
