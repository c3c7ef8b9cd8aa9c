"""A forecast of the logarithm of future volatility over the reference: all inputs and the season, shrunk towards HAR.

The label is whether future / reference reaches a constant; a good forecast of its logarithm ranks the rows, and
calibration turns the rank into a probability. A regression on the value learns the size of the future from every row,
not only whether it passed the threshold.

The weights are those of HAR plus a ridge regression on HAR's residuals: with few days little is added, with many all
that helps.
"""

import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.models.fitting import Sample
from tickvol.volatility.models.inputs import har_inputs, learned_inputs
from tickvol.volatility.models.linear import LinearDetector, Season, season_cell
from tickvol.volatility.models.standardise import Standardised
from tickvol.volatility.models.training_spec import TrainingSpec
from tickvol.volatility.schema.feature_spec import FeatureSpec

SEASONS = (("week_share_new_york", 7, 288), ("week_share_new_york", 1, 168))
"""Seasonal tables: input, cycles per week, cells. Five-minute cells of the day, and hours of the week."""


def log_ratio(sample: Sample) -> NDArray[np.float64]:
    """(n,) ln(future / reference); a future of 0 counts as the smallest positive one of the rows."""
    future = sample.future
    least = float(np.min(future[future > 0], initial=np.inf))
    return np.asarray(np.log(np.maximum(future, least if np.isfinite(least) else 1.0)) - np.log(sample.reference))


def fit_forecast(train: Sample, spec: FeatureSpec, training: TrainingSpec) -> LinearDetector:
    """Ridge regression of `log_ratio`; the penalty is `forecast_ridge` independent rows, `season_ridge` for cells.

    Neighbouring rows share their label, so a row counts as 1 / horizon in bars. The season is fitted only where the
    train rows are long enough (`Sample.is_long`).
    """
    inputs = learned_inputs(spec, leave_out=training.leave_out, long=train.is_long)
    x = train.inputs(inputs, spec)
    scaled = Standardised.of(x)
    target = log_ratio(train)
    seen, both = scaled.seen, scaled.sometimes_unknown
    straight = scaled.z[:, seen]
    of_har = np.array([item in har_inputs(spec, long=train.is_long) for item in inputs])[seen]
    start, intercept = _least_squares(straight[:, of_har], target)
    left = target - straight[:, of_har] @ start - intercept
    names = [item.column for item in inputs]
    tables = [(names.index(name), cycles, cells) for name, cycles, cells in SEASONS if name in names]
    cells = [season_cell(x[:, place], cycles, count) for place, cycles, count in tables]
    dense = np.column_stack([straight, scaled.unknown[:, both]])
    overlap = train.overlap
    found, of_cells, shift = _ridge(
        dense,
        cells,
        [count for _, _, count in tables],
        left,
        training.forecast_ridge * overlap,
        training.season_ridge * overlap,
    )
    weights, unknown_weights = np.zeros(len(inputs)), np.zeros(len(inputs))
    unknown_weights[both] = found[straight.shape[1] :]
    added = found[: straight.shape[1]]
    added[of_har] += start
    weights[seen] = added
    seasons = tuple(
        Season(input=place, cycles=cycles, values=tuple(values.tolist()))
        for (place, cycles, _), values in zip(tables, of_cells, strict=True)
    )
    return scaled.detector(inputs, weights, unknown_weights, intercept + shift, seasons=seasons)


def _least_squares(x: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    found = np.asarray(np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), target)[0], np.float64)
    return found[:-1], float(found[-1])


def _ridge(
    dense: NDArray[np.float64],
    cells: list[NDArray[np.intp]],
    counts: list[int],
    target: NDArray[np.float64],
    dense_penalty: float,
    cell_penalty: float,
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]], float]:
    """Weights of the dense columns, of each table's cells, and the unpenalised constant.

    Solved by the normal equations of one sparse design: a few hundred unknowns, however many rows.
    """
    from scipy import sparse

    rows = np.arange(len(target))
    tables = [
        sparse.csr_array((np.ones(len(target)), (rows, cell)), shape=(len(target), count))
        for cell, count in zip(cells, counts, strict=True)
    ]
    design = sparse.hstack([sparse.csr_array(dense), *tables, sparse.csr_array(np.ones((len(target), 1)))]).tocsr()
    penalty = np.repeat([dense_penalty, cell_penalty, 0.0], [dense.shape[1], sum(counts), 1])
    gram = (design.T @ design).toarray() + np.diag(penalty)
    found = np.linalg.solve(gram, design.T @ target)
    parts = np.split(found[:-1], np.cumsum([dense.shape[1], *counts])[: len(counts)])
    return parts[0].copy(), parts[1:], float(found[-1])
