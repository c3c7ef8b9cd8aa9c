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

DESCRIPTION = """Run the live path in one terminal: broker (unless one answers), MLflow's pages, capture, featurizer
and scorer, which scores as soon as the registry has a champion.

Waits until each is healthy, says where everything is, and shows a line of figures now and then. Ctrl-C, SIGTERM or
--duration end it in order: capture, featurizer once it has read everything, scorer, MLflow, and the broker if it was
started here. A second Ctrl-C waits for nothing: what is left then, the next start does.

With --simulate a local exchange takes the place of the real one, and topics, archive and dataset are others, below
data/simulated, unless the environment names them."""

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
    parser.add_argument("--simulate", action="store_true", help="a local exchange; default: the one of ingestion.url")
    parser.add_argument("--speed", metavar="N", help="with --simulate: simulated seconds a second; None: 1")
    parser.add_argument("--duration", type=float, metavar="SECONDS", help="end after this many seconds; None: never")
    parser.add_argument(
        "--log-dir", type=Path, default=Path("data/live"), metavar="DIR", help="what each process says, a file each"
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
    # A second one would take the featurizer's name from the first.
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
            problems.append(f"--speed: {options.speed}: goes with --simulate; the real market has its own")
    if problems:
        raise UsageError(problems)


def _tell(line: str) -> None:
    """A line above the line of figures, where there is one."""
    clear = "\r\033[K" if sys.stdout.isatty() else ""
    print(f"{clear}{line}", flush=True)


class _Signals:
    """How often SIGINT, SIGTERM or SIGHUP came."""

    def __init__(self) -> None:
        self.count = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as nohup wants it
                signal.signal(number, self._note)

    def _note(self, *_: object) -> None:
        self.count += 1
