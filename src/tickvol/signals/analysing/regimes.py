"""Regimes at the time of a decision, from indicators known then, and the figures of trades within each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import InputError
from tickvol.signals.analysing.expectancy import average_pnl, win_rate
from tickvol.signals.analysing.weeks import MIN_TRADES, Interval, WeekDraws, difference_interval, mean_interval

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

TRAILING_BARS, MIN_TRAILING_BARS = 720, 200
_STRONG_ADX, _SPIKE, _HOUR_MS, _DAY_MS = 25.0, 2.0, 3_600_000, 86_400_000
_SESSIONS = {"ASIA": (0, 8), "EU": (8, 14), "US": (14, 24)}

APART = (
    frozenset({"TREND_UP", "TREND_DOWN"}),
    frozenset({"MOMENTUM_POS", "MOMENTUM_NEG"}),
    frozenset({"VOLATILITY_HIGH", "VOLATILITY_LOW"}),
    frozenset({"EDGE_STRONG", "EDGE_WEAK"}),
    frozenset({"SENTIMENT_POS", "SENTIMENT_NEG", "SENTIMENT_NONE"}),
    frozenset(_SESSIONS),
)


@dataclass(frozen=True)
class RegimeInputs:
    """Values known at each decision (n,), NaN where unknown.

    `trailing_atr_frac` is the median of `atr_frac` over the last 720 bars, as `trailing_median` gives it.
    `strong_edge` marks the top band of the risk profile, `squeeze` a narrow bandwidth. Times are close times of bars.
    """

    predicting_at_ms: NDArray[np.int64]
    close: Array
    ema200: Array
    adx14: Array
    macd_hist: Array
    atr_frac: Array
    trailing_atr_frac: Array
    volume_ratio20: Array
    strong_edge: Mask
    squeeze: Mask
    sentiment: Array


def trailing_median(values: Array) -> Array:
    """Median of the last 720 values up to each bar inclusive (n,); NaN with fewer than 200 known ones.

    A median over the whole history would tell a decision of volatility that was still to come.
    """
    padded = np.concatenate([np.full(TRAILING_BARS, np.nan), values])
    windows = np.lib.stride_tricks.sliding_window_view(padded, TRAILING_BARS)[1:]
    known = np.isfinite(padded).cumsum()
    enough = known[TRAILING_BARS:] - known[:-TRAILING_BARS] >= MIN_TRAILING_BARS
    out: Array = np.full(len(values), np.nan)
    for start in range(0, len(values), 1024):
        rows = np.flatnonzero(enough[start : start + 1024]) + start
        if len(rows):
            out[rows] = np.nanmedian(windows[rows], axis=1)
    return out


def trailing_percentile(values: Array) -> float | None:
    """Share of the last 720 known values that are at most the last one; None if it is unknown or fewer than 200 are."""
    recent = values[-TRAILING_BARS:]
    recent = recent[np.isfinite(recent)]
    if not len(values) or not np.isfinite(values[-1]) or len(recent) < MIN_TRAILING_BARS:
        return None
    return float((recent <= values[-1]).mean())


def regime_tags(inputs: RegimeInputs) -> dict[str, Mask]:
    """Members (n,) of each regime, by name; an unknown value is in no regime of its kind.

    Sessions are hours UTC: ASIA 0-8, EU 8-14, US 14-24; Saturday and Sunday are WEEKEND.
    """
    i = inputs
    hour = i.predicting_at_ms // _HOUR_MS % 24
    weekday = (i.predicting_at_ms // _DAY_MS + 3) % 7
    ranked = np.isfinite(i.atr_frac) & np.isfinite(i.trailing_atr_frac)
    return {
        "TREND_UP": i.close > i.ema200,
        "TREND_DOWN": i.close <= i.ema200,
        "TREND_STRONG": i.adx14 >= _STRONG_ADX,
        "MOMENTUM_POS": i.macd_hist > 0,
        "MOMENTUM_NEG": i.macd_hist <= 0,
        "VOLATILITY_HIGH": ranked & (i.atr_frac > i.trailing_atr_frac),
        "VOLATILITY_LOW": ranked & (i.atr_frac <= i.trailing_atr_frac),
        "EDGE_STRONG": i.strong_edge,
        "EDGE_WEAK": ~i.strong_edge,
        "SQUEEZE": i.squeeze,
        "VOLUME_SPIKE": i.volume_ratio20 > _SPIKE,
        "SENTIMENT_POS": i.sentiment > 0,
        "SENTIMENT_NEG": i.sentiment < 0,
        "SENTIMENT_NONE": np.isnan(i.sentiment),
        **{name: (first <= hour) & (hour < end) for name, (first, end) in _SESSIONS.items()},
        "WEEKEND": weekday >= 5,
    }


@dataclass(frozen=True)
class RegimeFigures:
    """Figures of the trades within one regime; all None where `too_few`, below 30 trades.

    `difference_frac` is the expectancy within less that of all other trades.
    """

    tag: str
    n: int
    win_rate: float | None
    expectancy_frac: float | None
    interval: Interval | None
    difference_frac: float | None
    difference_interval: Interval | None

    @property
    def too_few(self) -> bool:
        """Fewer than 30 trades: no number is shown."""
        return self.n < MIN_TRADES


def regime_figures(net: Array, tags: Mapping[str, Mask], drawn: WeekDraws) -> list[RegimeFigures]:
    """Figures per regime in the order of `tags`; masks are (n,), aligned with the net returns.

    Raises
    ------
    InputError
        If a mask has another length.
    """
    figures = []
    for tag, members in tags.items():
        if members.shape != net.shape:
            raise InputError(f"{tag}: {members.shape}: must have one value for each of {len(net)} trades")
        n = int(members.sum())
        if n < MIN_TRADES:
            figures.append(RegimeFigures(tag, n, None, None, None, None, None))
            continue
        inside, outside = average_pnl(net[members]), average_pnl(net[~members])
        figures.append(
            RegimeFigures(
                tag=tag,
                n=n,
                win_rate=win_rate(net[members]),
                expectancy_frac=inside,
                interval=mean_interval(drawn, net, members),
                difference_frac=inside - outside if inside is not None and outside is not None else None,
                difference_interval=difference_interval(drawn, net, members),
            )
        )
    return figures


def chance_note(figures: Sequence[RegimeFigures]) -> str:
    """Sentence that says how many differences leave 0 by chance alone, and how many do."""
    shown = [f.difference_interval for f in figures if f.difference_interval is not None]
    left = sum(interval.excludes_zero for interval in shown)
    return (
        f"{left} of {len(shown)} differences have an interval that excludes 0; "
        f"about {len(shown) / 20:.1f} would by chance alone."
    )


@dataclass(frozen=True)
class Radar:
    """State of the market on axes from 0 to 1; `unknown` names the axes that have no value."""

    axes: dict[str, float]
    unknown: tuple[str, ...]


def radar(
    *, adx14: float, agreement: float | None, volatility: float | None, volume: float | None, sentiment: float
) -> Radar:
    """Radar of one decision.

    `agreement` is the share of momentum metrics that agree with the sign of the edge; `volatility` and `volume` are
    trailing percentiles of atr_frac and volume_ratio20; `sentiment` lies in [-1, 1]. NaN and None are unknown.
    """
    values = {
        "trend": min(adx14 / 50.0, 1.0) if np.isfinite(adx14) else None,
        "momentum": agreement,
        "volatility": volatility,
        "volume": volume,
        "sentiment": (sentiment + 1.0) / 2.0 if np.isfinite(sentiment) else None,
    }
    known = {axis: float(value) for axis, value in values.items() if value is not None}
    return Radar(known, tuple(axis for axis in values if axis not in known))
