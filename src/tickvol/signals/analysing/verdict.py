"""Verdict on a strategy: computed, one of four, with the sentence that a reader sees first."""

from dataclasses import dataclass
from enum import StrEnum

from tickvol.signals.analysing.weeks import MIN_WEEKS, Interval

MIN_TRADES = 100
_P_CHANCE, _DEFLATED = 0.05, 0.95
_BPS = 1e4


class Ruling(StrEnum):
    """Kind of a verdict."""

    EDGE = "edge"
    NO_EVIDENCE = "no evidence of an edge"
    LOSES = "loses"
    TOO_FEW = "too few trades"


@dataclass(frozen=True)
class Evidence:
    """Figures that the verdict rests on; None where one could not be computed.

    `expectancy_frac`, `interval` and `round_trip_frac` are fractions per trade, after costs. `later_interval` is that
    of the expectancy of the `later_trades` decided after the strategy was recorded.
    """

    trades: int
    weeks: int
    expectancy_frac: float | None
    interval: Interval | None
    round_trip_frac: float
    p_chance: float | None
    deflated_sharpe: float | None
    trials: int
    later_interval: Interval | None
    later_trades: int


@dataclass(frozen=True)
class Verdict:
    """A ruling and its sentences. `smallest_visible_frac` is the gross edge per trade that would have been seen."""

    ruling: Ruling
    text: str
    smallest_visible_frac: float | None


def judge(evidence: Evidence) -> Verdict:
    """Rule on the evidence.

    `too few trades` below 100 trades or 20 weeks; `loses` where the whole interval is below 0; `edge` only where the
    interval is above 0, p against chance is below 0.05, the deflated Sharpe ratio is above 0.95 and the trades after
    the strategy was recorded have an expectancy interval above 0; otherwise `no evidence of an edge`.
    """
    interval, mean = evidence.interval, evidence.expectancy_frac
    if evidence.trades < MIN_TRADES or evidence.weeks < MIN_WEEKS or interval is None or mean is None:
        text = (
            f"Too few trades: {evidence.trades} in {evidence.weeks} weeks. "
            f"A verdict needs {MIN_TRADES} trades and {MIN_WEEKS} weeks."
        )
        return Verdict(Ruling.TOO_FEW, text, None)
    visible = interval.half_width + evidence.round_trip_frac
    figures = (
        f"{_bp(mean)} a trade after costs, 95 % interval {_bp(interval.low)} to {_bp(interval.high)}, "
        f"{evidence.trades} trades in {evidence.weeks} weeks"
    )
    if interval.high < 0:
        return Verdict(Ruling.LOSES, f"Loses: {figures}.", visible)
    missing = _missing(evidence, interval)
    if not missing:
        text = (
            f"Edge: {figures}; p against chance {evidence.p_chance:.3f}, deflated Sharpe ratio "
            f"{evidence.deflated_sharpe:.3f} after {evidence.trials} trials, confirmed on "
            f"{evidence.later_trades} trades after it was recorded."
        )
        return Verdict(Ruling.EDGE, text, visible)
    text = (
        f"No evidence of an edge: {figures}. Missing: {'; '.join(missing)}. "
        f"With this interval, a gross edge below {visible * _BPS:.1f} bp a trade cannot be seen."
    )
    return Verdict(Ruling.NO_EVIDENCE, text, visible)


def _missing(evidence: Evidence, interval: Interval) -> list[str]:
    p, deflated, later = evidence.p_chance, evidence.deflated_sharpe, evidence.later_interval
    checks = (
        (interval.low > 0, "the interval includes 0"),
        (p is not None and p < _P_CHANCE, f"p against chance is {_shown(p)}, not below {_P_CHANCE}"),
        (
            deflated is not None and deflated > _DEFLATED,
            f"the deflated Sharpe ratio is {_shown(deflated)} after {evidence.trials} trials, not above {_DEFLATED}",
        ),
        (
            later is not None and later.low > 0,
            f"{evidence.later_trades} trades after the strategy was recorded do not confirm it",
        ),
    )
    return [text for met, text in checks if not met]


def _bp(fraction: float) -> str:
    return f"{fraction * _BPS:+.1f} bp"


def _shown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
