"""The `tickvol` command line: finds the module of a command and hands it the rest."""

import importlib
import sys
from collections.abc import Sequence

from tickvol import __version__
from tickvol.command import handle_closed_stdout

COMMANDS = {
    "ws-ingest": "capture the exchange's feed into the raw archive",
    "simulate-exchange": "serve a local exchange that speaks the feed's protocol",
    "publish": "send the raw archive to Kafka, from the last acknowledged line on",
    "kafka": "run a broker on this machine; make the topics",
    "kafka rebuild": "delete the topics and fill them again from the raw archive",
    "kafka-consume-check": "read a topic for a while: what is in it, what is missing, how old it is",
    "deadletters": "look at what was rejected or came too late; send it in again",
    "gaps": "list what is unknown: when, how long, why, which rows",
    "replay": "turn recorded frames into a feature dataset",
    "featurize": "turn the log into features as it grows, each row once",
    "score": "feature rows to predictions as they come, and to outcomes when these are known",
    "performance": "how the predictions of the last hours did, and how they will",
    "train": "train and compare all detectors",
    "walk-forward": "compare all candidates over folds of ticks and candles",
    "search": "search a candidate's hyper-parameters over the folds",
    "open-sealed": "judge the sealed block once, and write that down",
    "leakcheck": "look for leaks of the future in features, splits, labels and fits",
    "infer": "score feature rows with a bundle; measure its speed",
    "evaluate": "write the evaluation report",
    "promote": "let the challenger serve, if the gates let it",
    "rollback": "let the previous champion serve again",
    "champion": "who served when and why; verify the ledger",
    "retrain": "train again, if schedule or drift ask for it; then the gates",
    "reproduce": "train a recorded run again and compare bytes and figures",
    "drift": "write the Evidently drift report",
    "alerts": "look at alerts, test their sinks, deliver what waits",
    "backtest": "recompute alarms against spikes with a bundle",
    "serve": "answer over HTTP",
    "mlflow-ui": "show experiments and registered models in a browser",
    "schedule": "jobs that come round: list them, run one, run the scheduler",
    "live": "run broker, capture, featurizer, scorer and MLflow together, until Ctrl-C",
    "demo": "run the main job end to end",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol COMMAND ...`."""
    try:
        try:
            return _run(list(sys.argv[1:] if argv is None else argv))
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        return handle_closed_stdout()


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: tickvol COMMAND [options]   (tickvol COMMAND --help says more)\n")
        for name, summary in COMMANDS.items():
            print(f"  {name:<18} {summary}")
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"tickvol {__version__}")
        return 0
    words = 2 if " ".join(arguments[:2]) in COMMANDS else 1
    name = " ".join(arguments[:words])
    if name not in COMMANDS:
        print(f"tickvol: {name!r}: no such command; one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    return int(importlib.import_module(module_of(name)).main(arguments[words:]))


def module_of(name: str) -> str:
    """The module of a command.

    >>> module_of("kafka rebuild")
    'tickvol.apps.kafka_rebuild'
    """
    return f"tickvol.apps.{name.replace('-', '_').replace(' ', '_')}"
