"""The `tickvol` command line: import the module of a command and pass it the remaining arguments."""

import importlib
import sys
from collections.abc import Sequence

from tickvol import __version__
from tickvol.command import handle_closed_stdout

COMMANDS = {
    "ws-ingest": "capture the exchange's feed into the raw archive and publish it",
    "simulate-exchange": "serve a local exchange that speaks the feed's protocol",
    "publish": "send the raw archive to Kafka, from the last acknowledged line on",
    "kafka": "run a local Kafka broker; create the topics",
    "kafka rebuild": "recreate the topics from the raw archive",
    "kafka-consume-check": "check a topic: contents, missing messages, staleness",
    "deadletters": "list, show and resubmit dead-letter records",
    "gaps": "list the gaps in the data: start, length, reason, affected rows",
    "replay": "compute a feature dataset from recorded frames",
    "featurize": "compute features from the log as it grows, each row exactly once",
    "score": "predict spikes for live feature rows and record the outcomes",
    "performance": "evaluate the live predictions of the last hours",
    "train": "train models",
    "walk-forward": "walk-forward evaluation of all candidates on ticks and candles",
    "search": "search a candidate's hyper-parameters over the walk-forward folds",
    "open-sealed": "evaluate on the sealed hold-out block and record the opening",
    "leakcheck": "check features, splits, labels and fits for look-ahead leakage",
    "infer": "score a feature dataset with a bundle; measure inference speed",
    "evaluate": "write the evaluation report",
    "promote": "promote the challenger to champion if it passes every gate",
    "rollback": "restore the previous champion",
    "champion": "show the champion's history; verify the ledger",
    "retrain": "retrain when schedule or drift requires it, then run the gates",
    "reproduce": "repeat a recorded training and compare bytes and metrics",
    "drift": "write the Evidently drift report",
    "alerts": "list alerts, test the sinks, deliver pending notifications",
    "backtest": "compare a bundle's alarms with the spikes in stored features",
    "serve": "serve predictions over HTTP",
    "mlflow-ui": "serve the MLflow UI: experiments and registered models",
    "risk": "fetch daily candles; compute, backtest and show market risk",
    "tables": "show and maintain the Delta tables",
    "warehouse": "create, upgrade, check and export the SQL tables of the signals",
    "dashboard": "serve the dashboard's pages",
    "schedule": "list scheduled jobs, run one, or run the scheduler",
    "live": "run broker, capture, featurizer, scorer and MLflow together until Ctrl-C",
    "demo": "run the whole pipeline end to end",
    "demo-risk": "run market risk end to end on a simulated exchange",
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
        print("usage: tickvol COMMAND [options]   (tickvol COMMAND --help for details)\n")
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
    """Module name of a command.

    >>> module_of("kafka rebuild")
    'tickvol.apps.kafka_rebuild'
    """
    return f"tickvol.apps.{name.replace('-', '_').replace(' ', '_')}"
