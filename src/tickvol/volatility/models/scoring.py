"""Scores of a bundle for feature rows: probability, margin and signal, or the reason why a row cannot be scored."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import WorkError
from tickvol.volatility.labels.spikes import row_thresholds
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.schema.feature_table import FeatureTable

Signal = Literal["CALM", "WATCH", "ALERT"]


class ProbabilityModel(Protocol):
    """Interface of models that give probabilities."""

    def probability(self, table: FeatureTable) -> NDArray[np.float64]:
        """(n,) calibrated probability, NaN where there is none."""

    def unscorable_reasons(self, table: FeatureTable) -> list[str | None]:
        """(n,) None where scorable, else the reason."""


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """Scores of rows; all (n,).

    Attributes
    ----------
    probability, margin : float64, NaN where there is a reason.
    reasons : why a row is not scored, else None.
    signals : None where there is a reason.
    thresholds : float64, label value at or above which the row's outcome is a spike; NaN where the bundle has none.
    """

    probability: NDArray[np.float64]
    margin: NDArray[np.float64]
    reasons: list[str | None]
    signals: list[Signal | None]
    thresholds: NDArray[np.float64]


def probabilities(model: ProbabilityModel, table: FeatureTable) -> tuple[NDArray[np.float64], list[str | None]]:
    """(n,) probabilities, and the reasons for rows without one."""
    reasons = model.unscorable_reasons(table)
    probability = model.probability(table)
    for row in np.flatnonzero(~np.isfinite(probability)):
        reasons[row] = reasons[row] or "the model gives no finite probability for this row"
    return probability, reasons


def signal_word(probability: float, watch: float, alert: float) -> Signal:
    """CALM, WATCH or ALERT; thresholds are inclusive lower bounds.

    >>> signal_word(0.5, 0.25, 0.5), signal_word(0.3, 0.25, 0.5), signal_word(0.1, 0.25, 0.5)
    ('ALERT', 'WATCH', 'CALM')
    """
    if probability >= alert:
        return "ALERT"
    return "WATCH" if probability >= watch else "CALM"


def score_rows(bundle: Bundle, table: FeatureTable) -> ScoredRows:
    """Score rows with a bundle.

    Raises
    ------
    SchemaMismatch
        When the rows do not have the bundle's spec.
    """
    probability, reasons = probabilities(bundle, table)
    watch, alert = bundle.watch_threshold, bundle.alert_threshold
    return ScoredRows(
        probability=probability,
        margin=bundle.score(table),
        reasons=reasons,
        signals=[
            None if reason else signal_word(value, watch, alert)
            for value, reason in zip(probability.tolist(), reasons, strict=True)
        ],
        thresholds=row_thresholds(table, bundle.manifest.spike_thresholds),
    )


def smoke_test(bundle: Bundle, products: tuple[str, ...]) -> None:
    """Score one fully known row as a smoke test.

    Raises
    ------
    WorkError
        When the probability or a contribution is not finite.
    """
    row = _practice_row(bundle, products)
    if not (np.isfinite(bundle.probability(row)).all() and np.isfinite(bundle.evidence(row)[1]).all()):
        raise WorkError(f"bundle {bundle.version}: gives no finite probability for a fully known row; train again")


def _practice_row(bundle: Bundle, products: tuple[str, ...]) -> FeatureTable:
    """A row of ones: full coverage, equal volatilities, finite ratios and logarithms."""
    product = next(iter(bundle.manifest.spike_thresholds.by_product), products[0])
    return FeatureTable(
        spec=bundle.spec,
        products=(product,),
        product=np.zeros(1, np.int32),
        bar_end_ns=np.array([bundle.spec.bar_ns], np.int64),
        values=np.ones((1, len(bundle.manifest.features))),
    )
