"""Challenger and champion on rows that are new to both, with a truth that neither can choose."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from tests.support.synthetic import synthetic_table
from tests.support.trained import DAY_NS, START_NS, bundles, market
from tests.volatility.evaluation.samples import RULES
from tickvol.core.errors import NotEnoughData
from tickvol.volatility.evaluation.selection import select, trained_on
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.promotion.comparison import answers_parity, compare
from tickvol.volatility.promotion.evidence import AgainstChampion, Identity
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import LabelSpec

FAST = replace(RULES, block_s=1200, bootstrap_samples=40, min_blocks=5)


def named(day: int = 0) -> dict[str, Bundle]:
    return {bundle.name: bundle for bundle in bundles(day)}


def baselines(day: int = 0) -> list[Bundle]:
    return [bundle for bundle in bundles(day) if bundle.manifest.baseline]


@pytest.fixture(scope="module")
def other_days() -> FeatureTable:
    """Two days that no bundle knows, one table."""
    parts = [market(day, hours=3.0) for day in (5, 7)]
    product = np.concatenate([part.product for part in parts])
    order = np.argsort(product, kind="stable")
    return replace(
        parts[0],
        product=product[order],
        bar_end_ns=np.concatenate([part.bar_end_ns for part in parts])[order],
        values=np.concatenate([part.values for part in parts])[order],
    )


def test_all_are_judged_on_unseen_rows_with_paired_intervals(other_days: FeatureTable) -> None:
    found = compare(other_days, named()["logistic"], baselines(), named(1)["logistic"], FAST)
    assert found.days == ("2026-04-10", "2026-04-12")
    assert set(found.pr_auc) == {"challenger", "champion", *(bundle.name for bundle in baselines())}
    against = found.against_champion
    assert isinstance(against, AgainstChampion)
    assert against.lead.value == pytest.approx(found.pr_auc["challenger"] - found.pr_auc["champion"])  # type: ignore[operator]
    low, high = against.lead.interval.low, against.lead.interval.high
    assert low is not None
    assert high is not None
    assert low <= against.lead.value <= high  # type: ignore[operator]
    assert found.baseline_lead is not None
    best = max(baselines(), key=lambda bundle: found.pr_auc[bundle.name] or 0.0)
    assert found.baseline_lead.over == best.name
    assert sum(pair.difference is not None for pair in against.regimes.values()) >= 2


def test_a_bundle_beside_itself_leads_by_nothing(other_days: FeatureTable) -> None:
    ours = named()["logistic"]
    against = compare(other_days, ours, baselines(), ours, FAST).against_champion
    assert isinstance(against, AgainstChampion)
    assert (against.lead.value, against.lead.interval.low, against.lead.interval.high) == (0.0, 0.0, 0.0)
    assert against.calibration_error.difference == 0.0
    assert {pair.difference for pair in against.regimes.values()} <= {0.0, None}


def test_a_baseline_has_no_lead_over_itself(other_days: FeatureTable) -> None:
    lead = compare(other_days, named()["har"], baselines(), None, FAST).baseline_lead
    assert lead is not None
    assert (lead.interval.low or 0.0) <= 0.0


def test_on_the_challengers_own_dataset_its_test_rows_are_judged() -> None:
    found = compare(market(), named()["logistic"], baselines(), named(1)["logistic"], FAST)
    assert found.rows == len(select(market(), list(bundles())).rows)


def test_rows_that_the_champion_was_trained_on_are_left_out(other_days: FeatureTable) -> None:
    """The champion's training reaches half an hour into the challenger's test rows."""
    table = synthetic_table(0, hours=6, products=("BTC-USD", "ETH-USD"), start_ns=START_NS)
    champion = named(0)["logistic"]
    alone = compare(table, champion, baselines(), None, FAST)
    later = named(0)["har"]
    both = compare(table, champion, baselines(), later, FAST)
    assert alone.rows == both.rows
    split = later.manifest.split
    longer = msgspec.structs.replace(split, validation_end_ns=split.validation_end_ns + 1800 * 10**9)
    shifted = msgspec.structs.replace(later.manifest, split=longer)
    knows_more = Bundle(shifted, later.detector)
    fewer = compare(table, champion, baselines(), knows_more, FAST)
    assert 0 < fewer.rows < alone.rows
    assert trained_on(table, knows_more).sum() > trained_on(table, later).sum()


def test_without_a_row_new_to_both_nothing_is_judged() -> None:
    with pytest.raises(NotEnoughData, match="days that neither was trained on"):
        compare(market(0, hours=2.5), named()["logistic"], baselines(), None, FAST)


def test_a_champion_of_another_label_is_not_compared_but_baselines_are(other_days: FeatureTable) -> None:
    from tests.volatility.models.conftest import trained_all

    other = trained_all(market(2), LabelSpec(horizon_s=30))["logistic"]
    found = compare(other_days, named()["logistic"], baselines(), other, FAST)
    assert found.against_champion == "the champion foretells something else"
    assert found.baseline_lead is not None
    assert Identity.of(other).label.horizon_s == 30


def test_too_few_blocks_give_no_interval_and_say_why(other_days: FeatureTable) -> None:
    found = compare(other_days, named()["logistic"], baselines(), None, replace(FAST, min_blocks=500))
    assert found.baseline_lead is not None
    assert found.baseline_lead.interval.low is None
    assert "at least 500 needed" in (found.baseline_lead.interval.reason or "")


@pytest.mark.parametrize("name", ["har", "zscore", "logistic"])
def test_answers_by_table_and_by_matrix_are_equal(name: str, other_days: FeatureTable) -> None:
    rows, differing = answers_parity(named()[name], other_days)
    assert rows > 5000
    assert differing == 0


def test_an_answer_that_differs_is_counted(other_days: FeatureTable, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = named()["logistic"]
    right = bundle.predict_matrix
    monkeypatch.setattr(bundle, "predict_matrix", lambda values, by=None: right(values, by) + (len(values) == 1) * 1e-9)
    assert answers_parity(bundle, other_days, single_rows=50)[1] == 50
    monkeypatch.setattr(bundle, "predict_matrix", lambda values, by=None: np.nextafter(right(values, by), 1.0))
    rows, differing = answers_parity(bundle, other_days)
    assert differing == rows


def test_a_bar_that_ends_at_midnight_is_of_the_day_before() -> None:
    """The last judged row is one horizon before the end of the table, here at midnight."""
    midnight = START_NS + 9 * DAY_NS
    start_ns = midnight + (60 - 2 * 3600) * 10**9
    table = synthetic_table(9, hours=2, products=("BTC-USD", "ETH-USD"), gaps=(), start_ns=start_ns)
    judged = select(table, bundles()).rows
    assert judged.bar_end_ns.max() == midnight
    assert compare(table, named()["logistic"], baselines(), None, FAST).days == ("2026-04-13",)
