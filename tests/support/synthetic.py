"""Feature tables from seeded random walks with clustered volatility and gaps, for tests that need rows but no engine.

The columns have the names, units, ranges and unknowns of `docs/feature_spec.md`. Those that labels and models depend on
(returns, realized volatility, coverage, typical volatility) follow its formulas; the others are plausible, not exact.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tickvol.core.times import NS_PER_S
from tickvol.volatility.schema.feature_row import feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable

START_NS = 1_775_347_200 * NS_PER_S
"""2026-04-05T00:00:00Z."""

Gap = tuple[int, int]
"""First and last second of a stretch without data, counted from the table's start, both lost."""


def synthetic_table(
    seed: int = 0,
    *,
    hours: float = 3.0,
    products: Sequence[str] = ("BTC-USD",),
    gaps: Sequence[Gap] | None = None,
    spec: FeatureSpec | None = None,
    start_ns: int = START_NS,
    simulated: bool = False,
) -> FeatureTable:
    """Rows of `hours` of bars for each product; the same arguments give the same bytes.

    `gaps` None draws one gap of 20-100 s an hour and product; pass `()` for none. Bars in a gap have rows of unknown
    features; after a gap longer than the longest window rows start anew, as in real datasets.
    """
    spec = spec or FeatureSpec()
    bars = int(hours * 3_600_000) // spec.bar_ms
    parts = [
        _one_product(np.random.default_rng([seed, place]), bars, gaps, spec, start_ns) for place in range(len(products))
    ]
    return FeatureTable(
        spec=spec,
        products=tuple(sorted(products)),
        product=np.concatenate([np.full(len(ends), place, np.int32) for place, (ends, _) in enumerate(parts)]),
        bar_end_ns=np.concatenate([ends for ends, _ in parts]),
        values=np.concatenate([values for _, values in parts]),
        simulated=simulated,
    )


def _one_product(
    rng: np.random.Generator, bars: int, gaps: Sequence[Gap] | None, spec: FeatureSpec, start_ns: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    if gaps is None:
        firsts = rng.integers(0, bars, max(1, bars * spec.bar_ms // 3_600_000)) * spec.bar_ms // 1000
        gaps = [(int(first), int(first + rng.integers(20, 100))) for first in firsts]
    known = np.ones(bars, bool)
    for first, last in gaps:
        known[first * 1000 // spec.bar_ms : (last + 1) * 1000 // spec.bar_ms] = False
    returns = _clustered_returns(rng, bars)
    mid = 60_000.0 * np.exp(np.cumsum(returns))
    known_return = known & np.concatenate([[False], known[:-1]])
    columns = _columns(rng, np.where(known, mid, np.nan), np.where(known_return, returns, np.nan), spec)
    bar_end_ns = start_ns + (np.arange(bars, dtype=np.int64) + 1) * spec.bar_ns
    angle = 2 * np.pi * (bar_end_ns % (86_400 * NS_PER_S)) / (86_400 * NS_PER_S)
    week = ((bar_end_ns - 4 * 86_400 * NS_PER_S) % (7 * 86_400 * NS_PER_S)) / (7 * 86_400 * NS_PER_S)
    columns |= {"time_of_day_sin": np.sin(angle), "time_of_day_cos": np.cos(angle)}
    columns |= {"week_share": week, "week_share_new_york": (week - 4 / 168) % 1.0}
    values = np.column_stack([np.asarray(columns[name], np.float64) for name in feature_names(spec)])
    longest_known = _rolling(pd.Series(known.astype(float)), spec.bars(spec.longest_window_s)).max().to_numpy() > 0
    always = [feature_names(spec).index(f"coverage_{window_s}") for window_s in spec.windows_s]
    unknown = np.delete(np.arange(values.shape[1]), always)
    values[np.ix_(~known, unknown)] = np.nan
    return bar_end_ns[longest_known], values[longest_known]


def _clustered_returns(rng: np.random.Generator, bars: int) -> NDArray[np.float64]:
    """Log-returns whose log-volatility is a slow AR(1) plus bursts that decay over about two minutes."""
    steps = rng.normal(0, 0.5, bars)
    steps[0] = 0.0
    slow = pd.Series(steps).ewm(alpha=0.002, adjust=False).mean().to_numpy() / np.sqrt(0.001)
    bursts = rng.gamma(2.0, 1.2, bars) * (rng.random(bars) < 1 / 600)
    burst = pd.Series(bursts).ewm(alpha=1 / 120, adjust=False).mean().to_numpy() * 120
    volatility = 2e-5 * np.exp(slow + np.minimum(burst, 3.0))
    quiet = rng.random(bars) < 0.4
    return np.where(quiet, 0.0, rng.normal(0, 1, bars)) * volatility


def _rolling(series: "pd.Series[float]", bars: int) -> "pd.core.window.Rolling[pd.Series[float]]":
    return series.rolling(bars, min_periods=1)


def _columns(
    rng: np.random.Generator, mid: NDArray[np.float64], returns: NDArray[np.float64], spec: FeatureSpec
) -> dict[str, "pd.Series[float] | NDArray[np.float64]"]:
    bars = len(mid)
    series = pd.Series(returns)
    squares = series**2
    count = series.notna().astype(float)
    level = pd.Series(np.log(mid))
    stems = ("jump_share", "tick_rate", "spread_bps", "quote_imbalance", "flow")
    noise = {stem: pd.Series(rng.random(bars)) for stem in stems}
    columns: dict[str, pd.Series[float] | NDArray[np.float64]] = {"mid": mid, "bar_log_return": returns}
    for window_s in spec.windows_s:
        n = spec.bars(window_s)
        coverage = _rolling(count, n).sum() / n
        enough = coverage >= spec.min_coverage
        volatility = np.sqrt((_rolling(squares, n).sum().clip(lower=0) / coverage).where(enough))
        columns |= {
            f"log_return_{window_s}": level.diff(n),
            f"realized_vol_{window_s}": volatility,
            f"bipower_vol_{window_s}": volatility * 0.9,
            f"jump_share_{window_s}": (_rolling(noise["jump_share"], n).mean() * 0.2).where(enough),
            f"range_{window_s}": (_rolling(level, n).max() - _rolling(level, n).min()).where(enough),
            f"tick_rate_{window_s}": (_rolling(noise["tick_rate"], n).mean() * 8).where(enough),
            f"spread_bps_{window_s}": (_rolling(noise["spread_bps"], n).mean() * 0.1).where(enough),
            f"quote_imbalance_{window_s}": (_rolling(noise["quote_imbalance"], n).mean() * 2 - 1).where(enough),
            f"downside_vol_{window_s}": volatility * 0.7,
            f"parkinson_vol_{window_s}": volatility * (0.7 + 0.1 * _rolling(noise["tick_rate"], n).mean()),
            f"order_flow_imbalance_{window_s}": (_rolling(noise["flow"], n).mean() * 2 - 1).where(enough),
            f"quote_imbalance_change_{window_s}": _rolling(noise["quote_imbalance"], n).mean().where(enough),
            f"coverage_{window_s}": coverage,
        }
    return columns | _single_columns(columns, series, level, spec)


def _single_columns(
    columns: dict[str, "pd.Series[float] | NDArray[np.float64]"],
    returns: "pd.Series[float]",
    level: "pd.Series[float]",
    spec: FeatureSpec,
) -> dict[str, "pd.Series[float] | NDArray[np.float64]"]:
    longest = spec.bars(spec.longest_window_s)
    window = returns.rolling(longest, min_periods=longest // 2)
    reference = pd.Series(columns[f"realized_vol_{spec.reference_window_s}"])
    trailing = reference.rolling(longest, min_periods=longest // 2)
    spread = trailing.std().where(lambda s: s > 0)
    per_root_second = {w: np.asarray(columns[f"realized_vol_{w}"]) / np.sqrt(w) for w in spec.windows_s}
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = {
            f"vol_ratio_{short}_{long}": np.where(
                per_root_second[long] > 0, per_root_second[short] / per_root_second[long], np.nan
            )
            for short, long in zip(spec.windows_s, spec.windows_s[1:], strict=False)
        }
    scale = np.sqrt(spec.bars(spec.reference_window_s))
    return {
        "robust_z": (returns - window.median()) / window.std().where(lambda s: s > 0),
        "vol_zscore": (reference - trailing.mean()) / spread,
        "typical_vol": trailing.median(),
        **ratios,
        **{
            f"ewma_vol_{h}": np.sqrt((returns**2).ewm(halflife=h * 1000 / spec.bar_ms).mean()) * scale
            for h in spec.half_lives_s
        },
        **{f"tick_intensity_{h}": np.asarray(columns[f"tick_rate_{spec.windows_s[0]}"]) for h in spec.half_lives_s},
        "value_at_risk_95": -window.quantile(0.05),
        "max_drawdown": 1 - np.exp(level - level.rolling(longest, min_periods=1).max()),
    }
