"""PR-AUC of a side, and the sides that a bundle's own splits make."""

import msgspec
import numpy as np
import pytest

from tests.support.trained import bundles, market
from tickvol.core.errors import NotEnoughData, UsageError
from tickvol.core.times import NS_PER_S
from tickvol.volatility.drift.quality import side_rows
from tickvol.volatility.drift.sides import train_against_test, two_stretches
from tickvol.volatility.labels.scorable import scorable
from tickvol.volatility.models.bundle import Bundle

LOGISTIC = bundles()[-1]
TABLE = market()


def test_test_side_s_quality_is_the_bundle_s_own_test_figure() -> None:
    sides = train_against_test(TABLE, LOGISTIC)
    quality = side_rows(sides.current, LOGISTIC).quality
    own = LOGISTIC.manifest.metrics["test"]
    assert quality is not None
    assert (quality.rows, quality.positives) == (own["rows"], own["positives"])
    assert quality.pr_auc == pytest.approx(own["pr_auc"], abs=1e-12)
    assert quality.prevalence == pytest.approx(own["prevalence"])


def test_train_side_holds_the_rows_of_the_train_split() -> None:
    sides = train_against_test(TABLE, LOGISTIC)
    quality = side_rows(sides.reference, LOGISTIC).quality
    assert quality is not None
    assert quality.rows == LOGISTIC.manifest.split.rows["train"]
    assert quality.positives == LOGISTIC.manifest.split.spikes["train"]


def test_train_and_test_lie_at_least_a_look_back_apart() -> None:
    sides = train_against_test(TABLE, LOGISTIC)
    apart_ns = int(sides.current.bar_end_ns.min()) - int(sides.reference.bar_end_ns.max())
    assert apart_ns >= TABLE.spec.lookback_s * NS_PER_S


def test_dataset_of_other_days_has_no_splits_of_the_bundle() -> None:
    with pytest.raises(NotEnoughData, match="--compare-train-test"):
        train_against_test(market(3), LOGISTIC)


def test_without_a_bundle_there_is_a_mask_and_no_quality() -> None:
    rows = side_rows(TABLE, None)
    assert rows.quality is None
    assert np.array_equal(rows.scorable, scorable(TABLE))


def test_side_without_a_spike_has_no_pr_auc() -> None:
    manifest = LOGISTIC.manifest
    never = msgspec.structs.replace(manifest.spike_thresholds, common=1e9)
    bundle = Bundle(msgspec.structs.replace(manifest, spike_thresholds=never), LOGISTIC.detector)
    quality = side_rows(TABLE, bundle).quality
    assert quality is not None
    assert quality.positives == 0
    assert quality.prevalence == 0.0
    assert quality.pr_auc is None


def test_two_stretches_must_not_overlap() -> None:
    middle = int(np.median(TABLE.bar_end_ns))
    sides = two_stretches(TABLE, reference_to=middle, current_from=middle)
    assert sides.reference.bar_end_ns.max() < middle <= sides.current.bar_end_ns.min()
    with pytest.raises(UsageError, match="overlap"):
        two_stretches(TABLE, reference_to=middle)
    with pytest.raises(NotEnoughData, match="holds 0 rows"):
        two_stretches(TABLE, reference_to=0)
