"""Candidates over folds: every choice is made before the judged rows are seen."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from tests.support.synthetic import START_NS, synthetic_table
from tests.volatility.models.conftest import provenance
from tickvol.core.errors import NotEnoughData
from tickvol.core.times import NS_PER_S
from tickvol.volatility.evaluation.judge import JudgingRules, judge
from tickvol.volatility.evaluation.metrics import average_precision
from tickvol.volatility.models.baselines import BASELINES
from tickvol.volatility.models.calibration import Calibrator
from tickvol.volatility.models.fold_rules import FoldRules
from tickvol.volatility.models.training import fit_candidates, margins
from tickvol.volatility.models.training_spec import TrainingSpec
from tickvol.volatility.models.walk_forward import (
    PRIOR,
    SELECTED,
    FoldResult,
    pool,
    prepare_folds,
    prepare_sealed,
    run_fold,
)
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import LabelSpec

LABEL = LabelSpec()
NAMES = (*BASELINES, "forecast", "xgboost")
TRAINING = TrainingSpec(xgboost_max_rounds=15, calibration="best", min_positives=5)
HOURS = 10
RULES = FoldRules(folds=2, first_share=0.5, validation_share=0.3, sealed_from_ns=START_NS + int(8.5 * 3600) * NS_PER_S)
JUDGING = JudgingRules(
    horizon_s=60,
    block_s=1071,
    alarm_cooldown_s=60,
    bootstrap_samples=20,
    min_blocks=2,
    min_events=1,
    max_pr_auc=0.99,
)


def results_of(table: FeatureTable, rules: JudgingRules = JUDGING, *, first: int = RULES.folds) -> list[FoldResult]:
    """Of the first folds."""
    folds, left_out = prepare_folds(table, LABEL, RULES, TRAINING)
    assert left_out == []
    return [run_fold(fold, TRAINING, NAMES, provenance(table), rules) for fold in folds[:first]]


@pytest.fixture(scope="module")
def market() -> FeatureTable:
    return synthetic_table(6, hours=HOURS, products=("BTC-USD", "ETH-USD"), gaps=())


@pytest.fixture(scope="module")
def results(market: FeatureTable) -> list[FoldResult]:
    return results_of(market)


def fitted_numbers(result: FoldResult) -> dict[str, tuple[object, ...]]:
    return {
        name: (
            bundle.manifest.estimator,
            bundle.manifest.files,
            bundle.manifest.calibration,
            bundle.manifest.decision,
            bundle.manifest.spike_thresholds,
            bundle.manifest.regime_boundaries,
            bundle.manifest.metrics["validation"],
        )
        for name, bundle in result.bundles.items()
    }


def test_nothing_of_the_test_rows_or_behind_decides_anything(market: FeatureTable, results: list[FoldResult]) -> None:
    first = results[0]
    times = market.bar_end_ns
    behind = times > first.outer.split.train_end_ns
    values = market.values.copy()
    values[behind] *= np.random.default_rng(0).uniform(1.0, 2.0, (int(behind.sum()), 1))
    coverage = [place for place, name in enumerate(market.names) if name.startswith(("coverage", "week_share"))]
    values[:, coverage] = market.values[:, coverage]
    (changed,) = results_of(replace(market, values=values), first=1)
    assert fitted_numbers(changed) == fitted_numbers(first)
    assert changed.selected == first.selected
    figures = [one.bundles["har"].manifest.metrics["test"] for one in (first, changed)]
    assert figures[0] != figures[1]


def test_bundles_are_fitted_on_all_earlier_rows_and_their_choices_on_validation(results: list[FoldResult]) -> None:
    for result in results:
        record = result.bundles["forecast"].manifest.split
        assert record.rows["train"] == result.fold.outer.train.sum() > result.fold.inner.train.sum()
        assert record.rows["validation"] == 0
        assert result.bundles["forecast"].manifest.metrics["validation"]["rows"] == result.fold.inner.validation.sum()
    assert results[1].fold.outer.train.sum() > results[0].fold.outer.train.sum()


def test_the_selected_candidate_is_the_best_on_validation_where_that_can_tell(
    market: FeatureTable, results: list[FoldResult]
) -> None:
    for result in results:
        on_validation = {name: one.manifest.metrics["validation"]["pr_auc"] for name, one in result.bundles.items()}
        assert on_validation[result.selected] == max(on_validation.values())
    (cautious,) = results_of(market, replace(JUDGING, min_blocks=1000), first=1)
    assert cautious.selected == PRIOR != results[0].selected


def test_spikes_for_conformal_thresholds_are_scored_by_the_detector_that_did_not_see_them(
    results: list[FoldResult],
) -> None:
    for result in results:
        spikes = result.inner.split.validation & result.inner.positive
        (held_out,) = fit_candidates(result.inner, TRAINING, ["forecast"])
        calibrate = Calibrator(held_out.calibration)
        expected = calibrate.log_odds(margins(held_out.detector, result.inner, spikes))
        np.testing.assert_allclose(result.spike_log_odds["forecast"], expected, rtol=1e-9)
        again = calibrate.log_odds(margins(result.bundles["forecast"].detector, result.outer, spikes))
        assert np.abs(result.spike_log_odds["forecast"] - again).max() > 1e-6, "the refitted detector has seen them"


def test_pooled_rows_are_the_test_rows_of_all_folds_in_order(results: list[FoldResult]) -> None:
    rows, scored = pool(results)
    assert len(rows) == sum(int(result.fold.outer.test.sum()) for result in results)
    order = np.lexsort((rows.bar_end_ns, rows.product))
    assert np.array_equal(order, np.arange(len(rows)))
    assert rows.positive.sum() == sum(int(result.outer.positive[result.fold.outer.test].sum()) for result in results)
    assert {one.name for one in scored} == {*NAMES, SELECTED}
    assert {one.name for one in scored if one.baseline} == set(BASELINES)


def test_pr_auc_is_the_mean_of_the_folds_by_their_spikes(results: list[FoldResult]) -> None:
    rows, scored = pool(results)
    figures = judge(rows, scored, JUDGING)["detectors"]
    for name in NAMES:
        of_folds = [result.bundles[name].manifest.metrics["test"] for result in results]
        expected = np.average([one["pr_auc"] for one in of_folds], weights=[one["positives"] for one in of_folds])
        assert figures[name]["pr_auc"] == pytest.approx(expected, rel=1e-6), (
            "trees give single precision, so ties may part"
        )
    by_hand = [
        average_precision(rows.positive[rows.fold == number], scored[-1].margin[rows.fold == number])
        for number in (1, 2)
    ]
    spikes = [rows.positive[rows.fold == number].sum() for number in (1, 2)]
    assert figures[SELECTED]["pr_auc"] == pytest.approx(np.average(by_hand, weights=spikes), rel=1e-6)


def test_the_sealed_block_is_judged_by_what_came_before_alone(market: FeatureTable) -> None:
    names = ("har", "forecast")
    sealed = prepare_sealed(market, LABEL, RULES, TRAINING)
    result = run_fold(sealed, TRAINING, names, provenance(market), JUDGING)
    values = market.values.copy()
    values[market.bar_end_ns > RULES.sealed_from_ns] *= 1.5
    other = prepare_sealed(replace(market, values=values), LABEL, RULES, TRAINING)
    changed = run_fold(other, TRAINING, names, provenance(market), JUDGING)
    assert fitted_numbers(changed) == fitted_numbers(result)
    assert result.bundles["har"].manifest.metrics["test"]["rows"] == sealed.fold.outer.test.sum() > 0


def test_a_fold_that_cannot_be_fitted_is_left_out_and_named(market: FeatureTable) -> None:
    early = msgspec.structs.replace(RULES, folds=4, first_share=0.02)
    folds, left_out = prepare_folds(market, LABEL, early, TRAINING)
    assert [one.fold.number for one in folds] == [2, 3, 4]
    assert [because.split(":")[0] for because in left_out] == ["fold 1"]
    assert "validation 0 spikes in" in left_out[0]


def test_what_test_rows_hold_leaves_no_fold_out(market: FeatureTable) -> None:
    (_, last), _ = prepare_folds(market, LABEL, RULES, TRAINING)
    values = market.values.copy()
    behind = np.flatnonzero(market.bar_end_ns > last.outer.split.train_end_ns)
    values[behind, market.names.index("bar_log_return")] *= 1e-3
    calm, left_out = prepare_folds(replace(market, values=values), LABEL, RULES, TRAINING)
    assert (len(calm), left_out) == (2, [])
    assert not calm[1].outer.positive[calm[1].outer.split.test].any()


def test_too_few_folds_are_an_error_that_names_them_all(market: FeatureTable) -> None:
    strict = msgspec.structs.replace(TRAINING, min_positives=10**6)
    with pytest.raises(NotEnoughData, match=r"fold 1: .* validation \d+ spikes in \d+ rows.*; fold 2: "):
        prepare_folds(market, LABEL, RULES, strict)
