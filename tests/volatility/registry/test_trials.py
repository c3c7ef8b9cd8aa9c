"""The ledgers of trials and of the sealed block: every training counts, whichever way it ends."""

from pathlib import Path

import pytest

from tickvol.core.errors import LedgerBroken, NotEnoughData
from tickvol.volatility.models.manifest import Provenance
from tickvol.volatility.registry.trials import TRIALS, TrialLedger

ABOUT = {"source": "ticks", "horizon_s": 60, "simulated": False, "fold": 1}

QUESTIONS = (("ticks", 60), ("ticks", 30), ("candles", 60))


def ledger(directory: Path) -> TrialLedger:
    return TrialLedger(directory, clock=lambda: "2026-04-06T00:00:00Z")


def made(config: str = "c", data: str = "d") -> Provenance:
    return Provenance(config_hash=config, code_version="0", data_fingerprint=data)


def test_each_candidate_of_each_configuration_and_dataset_counts_once(tmp_path: Path) -> None:
    kept = ledger(tmp_path)
    for fold in (1, 2):
        with kept.trial(ABOUT | {"fold": fold}, made(), ["har", "forecast"]):
            pass
    assert kept.count("ticks", 60, simulated=False) == 2
    with kept.trial(ABOUT, made(config="other"), ["har", "forecast"]):
        pass
    with kept.trial(ABOUT | {"horizon_s": 30}, made(), ["har"]):
        pass
    with kept.trial(ABOUT | {"simulated": True}, made(), ["zscore"]):
        pass
    assert (
        kept.count("ticks", 60, simulated=False),
        kept.count("ticks", 30, simulated=False),
        kept.count("candles", 60, simulated=False),
    ) == (4, 1, 0)


def test_failed_and_pruned_trials_are_written_too(tmp_path: Path) -> None:
    kept = ledger(tmp_path)
    with pytest.raises(NotEnoughData), kept.trial(ABOUT, made(), ["har"]):
        raise NotEnoughData("too few")
    with pytest.raises(KeyboardInterrupt), kept.trial(ABOUT, made(), ["ewma"]):
        raise KeyboardInterrupt
    with kept.trial(ABOUT | {"search": "forecast"}, made(), ["forecast#3"]) as trial:
        trial.scored(0.1, pruned=True)
    assert kept.count("ticks", 60, simulated=False) == 3
    text = (tmp_path / TRIALS).read_text()
    for state in ("failed: NotEnoughData", "failed: KeyboardInterrupt", '"pruned"'):
        assert state in text


def test_an_opening_is_written_before_its_result_and_counts_without_one(tmp_path: Path) -> None:
    kept = ledger(tmp_path)
    first = kept.opened({"source": "ticks", "horizon_s": 60})
    assert [one["bundle_hash"] for one in kept.openings("ticks")] == [None]
    kept.sealed_result(first, {"bundle_hash": "b" * 64, "pr_auc": 0.4, "lead": 0.02})
    kept.opened({"source": "candles", "horizon_s": 3600})
    assert [(one["bundle_hash"][:1], one["pr_auc"]) for one in kept.openings("ticks")] == [("b", 0.4)]
    assert len(kept.openings("candles")) == 1
    assert kept.openings("ticks")[0]["date"] == "2026-04-06T00:00:00Z"


def test_a_trial_that_was_taken_out_is_found(tmp_path: Path) -> None:
    kept = ledger(tmp_path)
    for name in ("har", "ewma", "forecast"):
        with kept.trial(ABOUT, made(), [name]):
            pass
    path = tmp_path / TRIALS
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:1] + lines[2:]))
    with pytest.raises(LedgerBroken, match="line 2"):
        kept.count("ticks", 60, simulated=False)
