"""Ledgers of trials and of openings of the sealed block: every training run counts, even failed and pruned ones."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tickvol.storage.journal import Ledger
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.manifest import Provenance
from tickvol.volatility.schema.feature_table import FeatureTable

TRIALS = "trials.jsonl"
SEALED = "sealed.jsonl"


def trial_of(source: str, horizon_s: int, table: FeatureTable) -> dict[str, Any]:
    """Keys that identify the trials of one question."""
    return {"source": source, "horizon_s": horizon_s, "simulated": table.simulated}


class Trial:
    """A training run in progress."""

    def __init__(self) -> None:
        self.figures: dict[str, Any] = {}
        self.state = "complete"

    def ended(self, bundles: Sequence[Bundle]) -> None:
        """Record the results of a training run."""
        self.figures = {
            bundle.name: {
                "bundle_hash": bundle.version,
                "validation_pr_auc": bundle.manifest.metrics["validation"]["pr_auc"],
                "test_pr_auc": bundle.manifest.metrics["test"]["pr_auc"],
            }
            for bundle in bundles
        }

    def scored(self, value: float | None, *, pruned: bool = False) -> None:
        """Record the value of a search trial."""
        self.figures = {"value": value}
        self.state = "pruned" if pruned else "complete"


class TrialLedger:
    """Ledger of trials and openings, in two files of one directory.

    Parameters
    ----------
    clock : returns the time of an entry, ISO 8601.
    """

    def __init__(self, directory: Path, clock: Callable[[], str]) -> None:
        self._trials = Ledger(directory / TRIALS)
        self._sealed = Ledger(directory / SEALED)
        self._now = clock

    @contextmanager
    def trial(self, about: Mapping[str, Any], provenance: Provenance, candidates: Sequence[str]) -> Iterator[Trial]:
        """Record a training run when it ends, successfully or not.

        Parameters
        ----------
        about : source, horizon_s, simulated and other identifying keys.
        candidates : detectors that were trained; each counts as a trial.
        """
        trial, started = Trial(), self._now()
        try:
            yield trial
        except BaseException as error:
            trial.state = f"failed: {type(error).__name__}"
            raise
        finally:
            self._trials.append(
                "trial",
                {
                    **about,
                    "state": trial.state,
                    "candidates": list(candidates),
                    "started": started,
                    "ended": self._now(),
                    "provenance": msgspec.to_builtins(provenance),
                    "figures": trial.figures,
                },
            )

    def count(self, source: str, horizon_s: int, *, simulated: bool) -> int:
        """Number of distinct candidates tried on a source at a horizon, by configuration, data and name.

        Parameters
        ----------
        simulated : True to count those of simulated markets, False those of real ones.
        """
        tried = {
            (entry.content["provenance"]["config_hash"], entry.content["provenance"]["data_fingerprint"], name)
            for entry in self._trials.entries()
            if (entry.content["source"], entry.content["horizon_s"]) == (source, horizon_s)
            and entry.content["simulated"] == simulated
            for name in entry.content["candidates"]
        }
        return len(tried)

    def opened(self, about: Mapping[str, Any]) -> int:
        """Record the opening of the sealed block; on disk when this returns. Returns the opening's number."""
        return self._sealed.append("opened", {"date": self._now(), **about}).number

    def sealed_result(self, opening: int, result: Mapping[str, Any]) -> None:
        """Record the result of an opening."""
        self._sealed.append("result", {"opening": opening, "date": self._now(), **result})

    def openings(self, source: str) -> list[dict[str, Any]]:
        """All openings of a source's sealed block so far, with their results; these are None where there are none."""
        entries = self._sealed.entries()
        results = {entry.content["opening"]: dict(entry.content) for entry in entries if entry.kind == "result"}
        nothing = {"bundle_hash": None, "pr_auc": None, "lead": None}
        return [
            {**nothing, **results.get(entry.number, {}), **entry.content}
            for entry in entries
            if entry.kind == "opened" and entry.content["source"] == source
        ]
