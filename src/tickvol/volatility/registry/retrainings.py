"""The retraining ledger: drift reports seen, decisions, training runs and their results."""

from collections.abc import Sequence

from tickvol.core.times import parse_time_ns
from tickvol.storage.journal import Entry, Ledger
from tickvol.tracking.settings import MlflowConfig
from tickvol.volatility.promotion.retraining import DriftSeen, Event, Trained
from tickvol.volatility.registry.champions import BOOTSTRAP

DRIFT = "drift report"
WAITED = "not retrained"
BEGUN = "retraining"
FAILED = "training failed"
CHALLENGED = "challenged"


def retrainings_ledger(settings: MlflowConfig) -> Ledger:
    """Retraining ledger of the configured model."""
    return Ledger(settings.ledger_dir / f"{settings.registered_model}.retraining.jsonl")


def events_of(champions: Sequence[Entry], retrainings: Sequence[Entry], bundle: str | None) -> list[Event]:
    """Events that a decision depends on, in time order: the first version, drift reports, and training runs started.

    A training run counts from its start, so that a failing one is not retried at once.

    Parameters
    ----------
    bundle : hash of the serving bundle; reports on other bundles do not count.
    """
    found: list[Event] = [Trained(_at(entry)) for entry in champions if entry.kind == BOOTSTRAP]
    for entry in retrainings:
        if entry.kind == BEGUN:
            found.append(Trained(_at(entry)))
        elif entry.kind == DRIFT and entry.content["bundle"] == bundle:
            found.append(DriftSeen(_at(entry), float(entry.content["share"])))
    return sorted(found, key=lambda event: event.at_ns)


def is_known(retrainings: Sequence[Entry], report_sha256: str) -> bool:
    """True if a drift report was seen before."""
    return any(entry.kind == DRIFT and entry.content["report_sha256"] == report_sha256 for entry in retrainings)


def counted_until_ns(retrainings: Sequence[Entry], bundle: str) -> int | None:
    """End of the rows of the bundle's newest report that counted; None without one."""
    of_bundle = [entry for entry in retrainings if entry.kind == DRIFT and entry.content["bundle"] == bundle]
    return max((int(entry.content["current_to_ns"]) for entry in of_bundle), default=None)


def _at(entry: Entry) -> int:
    return parse_time_ns("at", str(entry.content["at"]))
