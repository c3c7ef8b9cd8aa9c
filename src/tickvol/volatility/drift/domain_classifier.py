"""Domain classifier: can a model distinguish reference from current rows by the inputs of the served detector?

An AUC of 0.5 means that it cannot. Neighbouring rows share their windows, so a classifier tested on rows between its
training rows has memorised them and separates sides that do not differ at all. Here each side is cut into
contiguous stretches of time; one of each is tested on a classifier trained on the others, minus an embargo.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.drift.input_rows import InputRows
from tickvol.volatility.evaluation.bootstrap import percentile_interval

_CLIP = 6.0
_NORMAL_IQR = 1.349


@dataclass(frozen=True, slots=True)
class ClassifierRules:
    """Training and evaluation rules of the classifier.

    Attributes
    ----------
    c : inverse L2 penalty of the logistic regression on standardised inputs.
    folds : contiguous stretches that each side is cut into.
    embargo_ns : training rows closer than this to a tested stretch are left out.
    min_blocks : minimum blocks on each side for an interval.
    samples, seed : of the bootstrap, which draws whole blocks of each side.
    """

    c: float
    folds: int
    embargo_ns: int
    min_blocks: int
    samples: int
    seed: int


class TellingInput(msgspec.Struct, frozen=True, kw_only=True):
    """Discriminative power of an input: its mean share of weights over the folds, and the AUC of its values alone."""

    input: str
    weight_share: float
    auc_alone: float | None


class DomainClassifier(msgspec.Struct, frozen=True, kw_only=True):
    """Result of the classifier.

    Attributes
    ----------
    auc : share of pairs (one row of each side, from the same stretches) that it orders correctly.
    auc_low, auc_high : 95% interval, given the classifiers; null with the `reason`.
    tells_apart : True if the whole interval lies above 0.5; null without one.
    inputs : the most discriminative first.
    """

    auc: float | None
    auc_low: float | None
    auc_high: float | None
    tells_apart: bool | None
    reason: str | None
    folds: int
    reference_rows: int
    current_rows: int
    reference_blocks: int
    current_blocks: int
    inputs: list[TellingInput]


def domain_classifier(
    reference: InputRows, current: InputRows, names: Sequence[str], rules: ClassifierRules
) -> DomainClassifier:
    """Train and test over the folds."""
    sides = (reference, current)
    counts = [side.blocks for side in sides]
    if min(counts) < rules.folds:
        reason = f"{counts[0]} blocks against {counts[1]}, at least {rules.folds} needed for as many folds"
        return _found(sides, 0, reason)
    fold = [side.block * rules.folds // side.blocks for side in sides]
    pairs, weights = _Pairs.none(counts), []
    for number in range(rules.folds):
        tested = [of == number for of in fold]
        kept = _outside(sides, tested, rules.embargo_ns)
        if min(int(rows.sum()) for rows in kept) == 0:
            continue
        model = _Logistic.fit(reference.x[kept[0]], current.x[kept[1]], rules.c)
        scores = [model.score(side.x[rows]) for side, rows in zip(sides, tested, strict=True)]
        blocks = [side.block[rows] for side, rows in zip(sides, tested, strict=True)]
        pairs.add(scores[0], blocks[0], scores[1], blocks[1])
        weights.append(model.shares())
    if not weights:
        return _found(sides, 0, "the embargo leaves no row to train on")
    telling = _telling(sides, fold, names, np.mean(weights, axis=0))
    low = high = few = None
    if min(counts) < rules.min_blocks:
        few = f"{counts[0]} blocks against {counts[1]}, at least {rules.min_blocks} needed"
    else:
        low, high = pairs.interval(rules)
    return _found(sides, len(weights), few, auc=pairs.auc(), low=low, high=high, telling=telling)


def _found(
    sides: tuple[InputRows, InputRows],
    folds: int,
    reason: str | None,
    *,
    auc: float | None = None,
    low: float | None = None,
    high: float | None = None,
    telling: list[TellingInput] | None = None,
) -> DomainClassifier:
    return DomainClassifier(
        auc=auc,
        auc_low=low,
        auc_high=high,
        tells_apart=None if low is None else low > 0.5,
        reason=reason,
        folds=folds,
        reference_rows=len(sides[0].x),
        current_rows=len(sides[1].x),
        reference_blocks=sides[0].blocks,
        current_blocks=sides[1].blocks,
        inputs=telling or [],
    )


def _outside(
    sides: Sequence[InputRows], tested: Sequence[NDArray[np.bool_]], embargo_ns: int
) -> list[NDArray[np.bool_]]:
    """Rows of each side that are farther than the embargo from both tested stretches."""
    kept = [~rows for rows in tested]
    for side, rows in zip(sides, tested, strict=True):
        first, last = side.bar_end_ns[rows].min() - embargo_ns, side.bar_end_ns[rows].max() + embargo_ns
        for place, other in enumerate(sides):
            kept[place] &= (other.bar_end_ns < first) | (other.bar_end_ns > last)
    return kept


@dataclass(frozen=True, slots=True)
class _Pairs:
    """(reference blocks, current blocks): numbers of row pairs compared, and of those in the right order."""

    compared: NDArray[np.float64]
    right: NDArray[np.float64]

    @classmethod
    def none(cls, counts: Sequence[int]) -> "_Pairs":
        return cls(np.zeros(counts), np.zeros(counts))

    def add(
        self,
        before: NDArray[np.float64],
        before_block: NDArray[np.intp],
        after: NDArray[np.float64],
        after_block: NDArray[np.intp],
    ) -> None:
        """Compare each score of the reference with each of the current side; a tie counts half."""
        width = self.right.shape[1]
        rows = np.bincount(after_block, minlength=width)
        for block in np.unique(before_block):
            lower = np.sort(before[before_block == block])
            wins = (np.searchsorted(lower, after, "left") + np.searchsorted(lower, after, "right")) / 2
            self.right[block] += np.bincount(after_block, wins, minlength=width)
            self.compared[block] += len(lower) * rows

    def auc(self) -> float | None:
        total = float(self.compared.sum())
        return float(self.right.sum()) / total if total else None

    def interval(self, rules: ClassifierRules) -> tuple[float | None, float | None]:
        random = np.random.default_rng(rules.seed)
        found = np.full(rules.samples, np.nan)
        before, after = self.right.shape
        for sample in range(rules.samples):
            drawn = np.outer(
                np.bincount(random.integers(0, before, before), minlength=before),
                np.bincount(random.integers(0, after, after), minlength=after),
            )
            total = float((drawn * self.compared).sum())
            if total:
                found[sample] = float((drawn * self.right).sum()) / total
        interval = percentile_interval(found)
        return interval.low, interval.high


@dataclass(frozen=True, slots=True)
class _Logistic:
    """Logistic regression on standardised inputs and missing-value flags."""

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]

    @classmethod
    def fit(cls, before: NDArray[np.float64], after: NDArray[np.float64], c: float) -> "_Logistic":
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        x = np.concatenate([before, after])
        centre, scale = np.zeros(x.shape[1]), np.ones(x.shape[1])
        for place, column in enumerate(x.T):
            known = column[np.isfinite(column)]
            if len(known):
                low, centre[place], high = np.quantile(known, [0.25, 0.5, 0.75])
                scale[place] = (high - low) / _NORMAL_IQR or known.std() or 1.0
        z = cls(centre, scale, np.zeros(0)).standardised(x)
        is_current = np.arange(len(x)) >= len(before)
        model = LogisticRegression(C=c, solver="newton-cholesky", class_weight="balanced")
        with threadpool_limits(limits=1):  # threads waiting for a busy core cost tenfold, and may sum in another order
            model.fit(z, is_current)
        return cls(centre, scale, np.asarray(model.coef_[0], np.float64))

    def standardised(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        unknown = np.isnan(x)
        z = np.clip((np.where(unknown, self.centre, x) - self.centre) / self.scale, -_CLIP, _CLIP)
        return np.column_stack([z, unknown])

    def score(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = self.standardised(x) @ self.weights
        return scores

    def shares(self) -> NDArray[np.float64]:
        """(inputs,) shares of the absolute weights, each input's together with its missing-value flag's."""
        weights = np.abs(self.weights).reshape(2, -1).sum(axis=0)
        return np.asarray(weights / max(float(weights.sum()), np.finfo(np.float64).tiny), np.float64)


def _telling(
    sides: tuple[InputRows, InputRows],
    fold: Sequence[NDArray[np.intp]],
    names: Sequence[str],
    shares: NDArray[np.float64],
) -> list[TellingInput]:
    telling = []
    for place in np.argsort(-shares, kind="stable"):
        columns = [side.x[:, place] for side in sides]
        known = [np.isfinite(column) for column in columns]
        pairs = _Pairs.none([int(of.max()) + 1 for of in fold])
        for number in np.unique(fold[0]):
            rows = [seen & (of == number) for seen, of in zip(known, fold, strict=True)]
            pairs.add(columns[0][rows[0]], fold[0][rows[0]], columns[1][rows[1]], fold[1][rows[1]])
        telling.append(TellingInput(input=names[place], weight_share=float(shares[place]), auc_alone=pairs.auc()))
    return telling
