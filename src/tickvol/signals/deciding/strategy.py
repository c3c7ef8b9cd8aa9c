"""A strategy: a frozen, hashed set of metric versions with thresholds, guards, costs and a risk profile."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tickvol.core.errors import InputError
from tickvol.signals.deciding.risk import RiskProfile
from tickvol.signals.metrics.canonical import Json, hash_of
from tickvol.signals.metrics.language import Group, Metric, Side

_BPS = 1e4


class Scorer(StrEnum):
    """Meaning of market score and confidence; see `scoring.score`."""

    EDGE = "edge"
    GROUPS = "groups"


@dataclass(frozen=True)
class Weighted:
    """A version of a metric as the strategy uses it; the id orders all sums."""

    metric_id: int
    metric: Metric
    side: Side
    weight: float


@dataclass(frozen=True)
class Guards:
    """Limits that a decision must keep; None switches a guard off.

    Parameters
    ----------
    min_edge : smallest |buy - sell|
    confidence_lowest, confidence_highest : closed band of confidence
    max_age_ms : oldest bar that a live decision may use
    squeeze_quantile, variance_quantile : trailing quantiles of `bandwidth` and `atr_frac` that must not be left
    quantile_bars : bars of these quantiles, the bar itself included
    cost_multiple : the target must exceed so many round trips of costs
    one_trade : no decision while an earlier one on the same product is unresolved
    """

    min_edge: float
    confidence_lowest: float = 0.0
    confidence_highest: float = 1.0
    max_age_ms: int | None = None
    squeeze_quantile: float | None = 0.10
    variance_quantile: float | None = 0.99
    quantile_bars: int = 720
    cost_multiple: float = 1.5
    one_trade: bool = True


@dataclass(frozen=True)
class TradeCosts:
    """Fee per side and slippage per side, basis points of the traded value."""

    fee_bps: float = 10.0
    slippage_bps: float = 0.0

    @property
    def round_trip_frac(self) -> float:
        """Costs of entry and exit at one price, as a fraction."""
        return 2 * (self.fee_bps + self.slippage_bps) / _BPS


@dataclass(frozen=True)
class Strategy:
    """One version of a strategy; its metrics are held in the order of their ids, whatever order they came in."""

    code: str
    scorer: Scorer
    interval: str
    threshold: float
    metrics: tuple[Weighted, ...]
    guards: Guards
    risk: RiskProfile
    costs: TradeCosts = field(default_factory=TradeCosts)
    version: int = 1
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", tuple(sorted(self.metrics, key=lambda weighted: weighted.metric_id)))

    def metrics_for(self, symbol: str) -> tuple[Weighted, ...]:
        """Metrics that hold for a product, in the order of their ids.

        Raises
        ------
        InputError
            If none holds.
        """
        held = tuple(one for one in self.metrics if one.metric.applies_to(symbol, self.interval))
        if not any(one.side in (Side.BUY, Side.SELL) for one in held):
            raise InputError(f"{self.code}: {symbol}: no metric of the strategy scores it: add metrics or leave it out")
        return held

    @property
    def definition(self) -> Mapping[str, Json]:
        """All that gives the strategy its meaning, metrics by code: not its own code, version or note, and no id."""
        metrics: list[Json] = [
            {
                "code": one.metric.code,
                "definition_hash": one.metric.definition_hash,
                "side": one.side.value,
                "version": one.metric.version,
                "weight": one.weight,
            }
            for one in sorted(self.metrics, key=lambda weighted: weighted.metric.code)
        ]
        return {
            "costs": {"fee_bps": self.costs.fee_bps, "slippage_bps": self.costs.slippage_bps},
            "guards": {name: getattr(self.guards, name) for name in Guards.__dataclass_fields__},
            "interval": self.interval,
            "metrics": metrics,
            "risk_profile": self.risk.definition_hash,
            "scorer": self.scorer.value,
            "threshold": self.threshold,
        }

    @property
    def definition_hash(self) -> str:
        """SHA-256 of the canonical JSON of the definition."""
        return hash_of(self.definition)


def most(metrics: Iterable[Weighted], side: Side) -> float:
    """Largest score of a side: its weights added in the order of the metrics."""
    total = 0.0
    for one in metrics:
        if one.side is side:
            total += one.weight
    return total


def most_by_group(metrics: Iterable[Weighted], side: Side) -> float:
    """Largest score of a side, each group added in the order of its metrics, then the groups in theirs."""
    held = tuple(metrics)
    total = 0.0
    for group in Group:
        total += most((one for one in held if one.metric.group is group), side)
    return total
