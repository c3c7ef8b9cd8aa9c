"""The ledger of retraining: drift reports that were seen, decisions, trainings and what became of them."""

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
    """The ledger of the configured model."""
    return Ledger(settings.ledger_dir / f"{settings.registered_model}.retraining.jsonl")


def events_of(champions: Sequence[Entry], retrainings: Sequence[Entry], bundle: str | None) -> list[Event]:
    """What a decision looks at, in order of time: the first version, drift reports, and trainings that were begun.

    A training counts from its beginning, so that one which fails is not tried again at once.

    Parameters
    ----------
    bundle : hash of the one that serves; reports of others do not count.
    """
    found: list[Event] = [Trained(_at(entry)) for entry in champions if entry.kind == BOOTSTRAP]
    for entry in retrainings:
        if entry.kind == BEGUN:
            found.append(Trained(_at(entry)))
        elif entry.kind == DRIFT and entry.content["bundle"] == bundle:
            found.append(DriftSeen(_at(entry), float(entry.content["share"])))
    return sorted(found, key=lambda event: event.at_ns)


def is_known(retrainings: Sequence[Entry], report_sha256: str) -> bool:
    """Whether a drift report was seen before."""
    return any(entry.kind == DRIFT and entry.content["report_sha256"] == report_sha256 for entry in retrainings)


def counted_until_ns(retrainings: Sequence[Entry], bundle: str) -> int | None:
    """Where the rows of the newest report of a bundle that counted end; None where none did."""
    of_bundle = [entry for entry in retrainings if entry.kind == DRIFT and entry.content["bundle"] == bundle]
    return max((int(entry.content["current_to_ns"]) for entry in of_bundle), default=None)


def _at(entry: Entry) -> int:
    return parse_time_ns("at", str(entry.content["at"]))
