"""Which rows are judged: never one that shares time with training, never one that is not known."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from tests.support.trained import bundles, market
from tickvol.core.errors import NotEnoughData, SchemaMismatch, UsageError
from tickvol.volatility.evaluation.judge import JudgingRules
from tickvol.volatility.evaluation.report import evaluation_report
from tickvol.volatility.evaluation.selection import select, trained_on
from tickvol.volatility.labels.spikes import label_values, trainable
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.training import prepare
from tickvol.volatility.models.training_spec import TrainingSpec
from tickvol.volatility.schema.label_spec import LabelSpec

RULES = JudgingRules(
    horizon_s=60, block_s=1000, alarm_cooldown_s=60, bootstrap_samples=50, min_blocks=20, min_events=10, max_pr_auc=0.95
)


def _of_day(day):
    return evaluation_report(market(day), bundles(), RULES, config_hash="c", tickvol_version="0")


def test_rows_judged_on_the_own_dataset_are_exactly_the_test_split():
    split = prepare(market(), LabelSpec(), TrainingSpec()).split
    rows = select(market(), bundles()).rows
    assert np.array_equal(rows.bar_end_ns, market().bar_end_ns[split.test])
    assert np.array_equal(rows.product, market().product[split.test])


def test_figures_on_the_own_dataset_are_those_that_the_bundles_recorded():
    document, _ = _of_day(0)
    assert document["rows"]["scope"] == "test split"
    for bundle in bundles():
        recorded, found = bundle.manifest.metrics["test"], document["detectors"][bundle.name]
        assert {key: found[key] for key in recorded} == pytest.approx(recorded)


@pytest.mark.parametrize("day", [-3, 3])
def test_days_that_nobody_trained_on_are_judged_whole(day):
    document, selection = _of_day(day)
    table = market(day)
    usable = trainable(table, LabelSpec(), label_values(table, LabelSpec()))
    assert document["rows"]["scope"] == "unseen rows"
    assert document["rows"]["trained_on"] == 0
    assert len(selection.rows) == usable.sum()


def test_every_row_is_counted_once():
    for day in (0, 3):
        counts = select(market(day), bundles()).counts
        assert counts.pop("table") == sum(counts.values()) == len(market(day))


def test_a_row_near_enough_to_share_data_with_training_is_not_judged():
    bundle, table = bundles()[0], market()
    split, lookback_ns = bundle.manifest.split, table.spec.lookback_s * 10**9
    shared = trained_on(table, bundle)
    after = table.bar_end_ns >= split.validation_end_ns + lookback_ns
    assert not shared[after].any()
    assert shared[~after].all()


def test_bootstrap_blocks_are_cut_from_unseen_bars_alone_on_both_sides_of_training():
    days = [market(day) for day in (-3, 0, 3)]
    product = np.concatenate([day.product for day in days])
    bar_end_ns = np.concatenate([day.bar_end_ns for day in days])
    order = np.lexsort((bar_end_ns, product))
    table = replace(
        days[0],
        product=product[order],
        bar_end_ns=bar_end_ns[order],
        values=np.concatenate([day.values for day in days])[order],
    )
    rows = select(table, bundles()).rows
    seen = table.bar_end_ns[trained_on(table, bundles()[0])]
    assert rows.bar_end_ns.min() < seen.min() < seen.max() < rows.bar_end_ns.max()
    assert not np.isin(rows.axis.bar_end_ns, seen).any()
    assert np.isin(rows.bar_end_ns, rows.axis.bar_end_ns).all()


def test_a_dataset_that_was_all_trained_on_leaves_nothing_to_judge():
    seen = market().take(market().bar_end_ns < bundles()[0].manifest.split.validation_end_ns)
    with pytest.raises(NotEnoughData, match=r"0 judged; give features of days"):
        evaluation_report(seen, bundles(), RULES, config_hash="c", tickvol_version="0")


def test_bundles_of_different_data_do_not_share_a_report():
    with pytest.raises(UsageError, match=r"minus_trailing_vol and logistic: differ in .*data_fingerprint"):
        select(market(), [bundles()[0], bundles(1)[-1]])


def test_bundles_of_different_labels_do_not_share_a_report():
    other = bundles()[-1]
    changed = msgspec.structs.replace(other.manifest, label=LabelSpec(horizon_s=120))
    with pytest.raises(UsageError, match="differ in label:"):
        select(market(), [bundles()[0], Bundle(changed, other.detector)])


def test_the_same_bundle_twice_is_judged_once_and_two_of_a_name_are_told_apart():
    logistic = bundles()[-1]
    sibling = Bundle(msgspec.structs.replace(logistic.manifest, seed=8), logistic.detector)
    assert list(select(market(), [logistic, logistic]).bundles) == ["logistic"]
    assert list(select(market(), [logistic, sibling]).bundles) == [
        f"logistic@{logistic.version[:8]}",
        f"logistic@{sibling.version[:8]}",
    ]


def test_rows_of_another_spec_are_refused():
    spec = msgspec.structs.replace(market().spec, grace_ms=500)
    with pytest.raises(SchemaMismatch, match="train on these rows"):
        select(replace(market(), spec=spec), bundles())


def test_a_simulated_market_marks_the_report_whether_rows_or_bundles_stem_from_it():
    sentence = "simulated market: these figures say nothing about real markets"
    arguments = {"config_hash": "c", "tickvol_version": "0"}
    assert _of_day(3)[0]["warning"] is None
    assert evaluation_report(market(3, simulated=True), bundles(), RULES, **arguments)[0]["warning"] == sentence
    assert evaluation_report(market(3), bundles(simulated=True), RULES, **arguments)[0]["warning"] == sentence
