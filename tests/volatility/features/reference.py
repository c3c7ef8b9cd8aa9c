"""The features once more, slow and readable, written from `docs/feature_spec.md`.

Whole histories in dicts, every window from scratch.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
from math import cos, inf, log, nan, pi, sin, sqrt
from zoneinfo import ZoneInfo

import numpy as np

from tests.volatility.features.logs import Record, S
from tickvol.core.record_columns import RecordKind
from tickvol.volatility.schema.feature_spec import FeatureSpec

Values = np.ndarray
NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True)
class Bar:
    """A known bar; a missing one is absent."""

    mid: float
    high: float
    low: float
    ticks: int
    spread: float
    imbalance: float
    quote: Record | None


@dataclass
class Row:
    product: int
    bar_end_ns: int
    values: dict[str, float]


@dataclass
class Product:
    """All that was ever recorded of a product, and all of its bars."""

    number: int
    spec: FeatureSpec
    ticks: dict[int, list[Record]] = field(default_factory=lambda: defaultdict(list))
    times: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    gaps: list[Record] = field(default_factory=list)
    seen: dict[tuple[int, int], int] = field(default_factory=dict)
    highest: int | None = None
    quote: Record | None = None
    last_record: int | None = None
    last_closed: int | None = None
    bars: dict[int, Bar] = field(default_factory=dict)
    returns: dict[int, float] = field(default_factory=dict)
    vols: dict[int, float] = field(default_factory=dict)

    def take(self, record: Record) -> tuple[list[Row], str]:
        """Rows that the record closes, and what became of the record."""
        b = self.spec.bar_ns
        if record.kind == RecordKind.GAP:
            self.gaps.append(record)
            return [], "taken"
        watermark = -inf if self.highest is None else self.highest - self.spec.grace_ns
        remembered = watermark - self.spec.duplicate_memory_s * S
        if record.kind == RecordKind.TICK and record.time_ns >= remembered:
            name = (record.connection, record.sequence_num)
            if self.seen.get(name, -inf) >= remembered > -inf:
                return [], "duplicate"
            self.seen[name] = record.time_ns
        bar = record.time_ns // b
        if (bar + 1) * b <= watermark:
            return [], "late" if record.kind == RecordKind.TICK else "ignored"
        rows: list[Row] = []
        if self.highest is None or record.time_ns > self.highest:
            self.highest = record.time_ns
            rows = self._close(self.highest - self.spec.grace_ns)
        self.times[bar].append(record.time_ns)
        if record.kind == RecordKind.TICK:
            self.ticks[bar].append(record)
        return rows, "taken"

    def _close(self, watermark: int) -> list[Row]:
        rows = []
        for k in sorted(k for k in self.times if (k + 1) * self.spec.bar_ns <= watermark):
            silent = (
                self.last_record is not None and min(self.times[k]) - self.last_record > self.spec.max_silence_s * S
            )
            if silent:
                self.quote = None
            if self.last_closed is not None:
                # Bars beyond these have neither a quote that stands nor a row.
                reach = self.spec.max_carry_s * S // self.spec.bar_ns + self.spec.memory_bars + 2
                for empty in range(self.last_closed + 1, min(k, self.last_closed + 1 + reach)):
                    rows += self._row(empty, self._carried(empty))
            rows += self._row(k, self._recorded(k))
            self.last_record, self.last_closed = max(self.times[k]), k
            del self.times[k]
        return rows

    def _carried(self, k: int) -> Bar | None:
        quote, b = self.quote, self.spec.bar_ns
        if quote is None or (k + 1) * b - quote.time_ns > self.spec.max_carry_s * S:
            return None
        if any(gap.time_ns // b <= k and gap.until_ns > quote.time_ns for gap in self.gaps):
            return None
        return _bar([quote], quote, 0)

    def _recorded(self, k: int) -> Bar | None:
        ticks, b = self.ticks.pop(k, []), self.spec.bar_ns
        if not ticks:
            return self._carried(k)
        self.quote = max(ticks, key=lambda record: (record.time_ns, record.sequence_num))
        if any(gap.time_ns // b <= k <= gap.until_ns // b for gap in self.gaps):
            return None
        return _bar(ticks, self.quote, len(ticks))

    def _row(self, t: int, bar: Bar | None) -> list[Row]:
        if bar is not None:
            self.bars[t] = bar
            self.returns[t] = self._log_ratio(t, t - 1)
        longest = self.spec.bars(self.spec.longest_window_s)
        if not any(k in self.bars for k in range(t - longest + 1, t + 1)):
            return []
        return [Row(self.number, (t + 1) * self.spec.bar_ns, self._values(t))]

    def _values(self, t: int) -> dict[str, float]:
        spec = self.spec
        bar = self.bars.get(t)
        values = {"mid": nan if bar is None else bar.mid, "bar_log_return": self._return(t)}
        for w in spec.windows_s:
            values |= {f"{name}_{w}": value for name, value in self._window(t, spec.bars(w)).items()}
        self.vols[t] = values[f"realized_vol_{spec.reference_window_s}"]
        n = spec.bars(spec.longest_window_s)
        returns = np.array([self._return(k) for k in range(t - n + 1, t + 1)])
        vols = np.array([self.vols.get(k, nan) for k in range(t - n + 1, t + 1)])
        mids = [self.bars[k].mid for k in range(t - n + 1, t + 1) if k in self.bars]
        values["robust_z"] = robust_z(returns, spec.min_coverage)
        values["vol_zscore"], values["typical_vol"] = vol_statistics(vols, spec.min_coverage)
        for a, b in pairwise(spec.windows_s):
            short, long = values[f"realized_vol_{a}"], values[f"realized_vol_{b}"]
            values[f"vol_ratio_{a}_{b}"] = short / long * sqrt(spec.bars(b) / spec.bars(a)) if long > 0 else nan
        reference = spec.bars(spec.reference_window_s)
        ticks = np.array([self.bars[k].ticks if k in self.bars else nan for k in range(t - n + 1, t + 1)])
        there = np.array([k in self.bars for k in range(t - n + 1, t + 1)])
        half_lives = {h: h * S / spec.bar_ns for h in spec.half_lives_s}
        for h, bars in half_lives.items():
            values[f"ewma_vol_{h}"] = ewma_vol(returns, bars, reference, spec.min_coverage)
        for h, bars in half_lives.items():
            values[f"tick_intensity_{h}"] = tick_intensity(ticks, there, bars, spec.bar_ms / 1000, spec.min_coverage)
        values["value_at_risk_95"] = value_at_risk(returns, spec.min_coverage)
        values["max_drawdown"] = max_drawdown(mids) if len(mids) / n >= spec.min_coverage else nan
        end_ns = (t + 1) * spec.bar_ns
        angle = 2 * pi * (end_ns % (86_400 * S)) / (86_400 * S)
        values |= {"time_of_day_sin": sin(angle), "time_of_day_cos": cos(angle)}
        return values | {"week_share": week_share(end_ns, UTC), "week_share_new_york": week_share(end_ns, NEW_YORK)}

    def _return(self, k: int) -> float:
        return self.returns.get(k, nan)

    def _log_ratio(self, k: int, before: int) -> float:
        if k not in self.bars or before not in self.bars:
            return nan
        ratio = self.bars[k].mid / self.bars[before].mid
        return 0.0 if abs(ratio - 1.0) < 1e-12 else log(ratio)

    def _window(self, t: int, n: int) -> dict[str, float]:
        spec = self.spec
        stretch = range(t - n + 1, t + 1)
        bars = [self.bars[k] for k in stretch if k in self.bars]
        covered = len(bars) / n >= spec.min_coverage
        returns = known([self._return(k) for k in stretch])
        pairs = known([abs(self._return(k)) * abs(self._return(k - 1)) for k in stretch])
        imbalances = known([bar.imbalance for bar in bars])
        covered_returns = len(returns) / n >= spec.min_coverage
        high_low = known([0.0 if bar.high / bar.low - 1 < 1e-12 else log(bar.high / bar.low) for bar in bars])
        flows = known([self._order_flow(k) for k in stretch])
        flow_known = len(flows) / n >= spec.min_coverage and sum(abs(flows)) > 0
        turns = known([self._imbalance(k) - self._imbalance(k - 1) for k in stretch])
        variance = n / len(returns) * sum(returns**2) if len(returns) / n >= spec.min_coverage else nan
        bipower = pi / 2 * n / len(pairs) * sum(pairs) if len(pairs) / n >= spec.min_coverage else nan
        jump_share = 1 - bipower / variance if variance > 0 else nan
        return {
            "log_return": self._log_ratio(t, t - n) if covered else nan,
            "realized_vol": sqrt(variance),
            "bipower_vol": sqrt(bipower),
            "jump_share": 0.0 if jump_share < 0 else jump_share,
            "range": log(max(bar.high for bar in bars) / min(bar.low for bar in bars)) if covered else nan,
            "tick_rate": sum(bar.ticks for bar in bars) / (len(bars) * spec.bar_ms / 1000) if covered else nan,
            "spread_bps": sum(bar.spread for bar in bars) / len(bars) if covered else nan,
            "quote_imbalance": np.mean(imbalances) if len(imbalances) / n >= spec.min_coverage else nan,
            "downside_vol": sqrt(n / len(returns) * sum(returns[returns < 0] ** 2)) if covered_returns else nan,
            "parkinson_vol": sqrt(n / len(bars) * sum(high_low**2) / (4 * log(2))) if covered else nan,
            "order_flow_imbalance": sum(flows) / sum(abs(flows)) if flow_known else nan,
            "quote_imbalance_change": np.mean(abs(turns)) if len(turns) / n >= spec.min_coverage else nan,
            "coverage": len(bars) / n,
        }

    def _imbalance(self, k: int) -> float:
        return self.bars[k].imbalance if k in self.bars else nan

    def _order_flow(self, k: int) -> float:
        quotes = [self.bars[j].quote if j in self.bars else None for j in (k - 1, k)]
        if quotes[0] is None or quotes[1] is None:
            return nan
        before, now = quotes
        bought = now.bid_quantity if now.bid >= before.bid else 0.0
        bought -= before.bid_quantity if now.bid <= before.bid else 0.0
        sold = now.ask_quantity if now.ask <= before.ask else 0.0
        return bought - sold + (before.ask_quantity if now.ask >= before.ask else 0.0)


def _bar(ticks: list[Record], quote: Record, count: int) -> Bar:
    mids = [(tick.bid + tick.ask) / 2 for tick in ticks]
    mid = (quote.bid + quote.ask) / 2
    quantity = quote.bid_quantity + quote.ask_quantity
    imbalance = (quote.bid_quantity - quote.ask_quantity) / quantity if quantity > 0 else nan
    return Bar(mid, max(mids), min(mids), count, (quote.ask - quote.bid) / mid * 10_000, imbalance, quote)


def known(values: "list[float] | Values") -> Values:
    values = np.asarray(values, np.float64)
    return values[~np.isnan(values)]


def robust_z(returns: Values, min_coverage: float) -> float:
    if len(known(returns)) / len(returns) < min_coverage:
        return nan
    median = np.median(known(returns))
    sigma = 1.4826 * np.median(np.abs(known(returns) - median))
    return float((returns[-1] - median) / sigma) if sigma > 0 else nan


def vol_statistics(vols: Values, min_coverage: float) -> tuple[float, float]:
    """Z-score of the last value, and the median."""
    if len(known(vols)) / len(vols) < min_coverage:
        return nan, nan
    typical = float(np.median(known(vols)))
    if len(known(vols)) < 2:
        return nan, typical
    mean, spread = known(vols).mean(), known(vols).std(ddof=1)
    return (float((vols[-1] - mean) / spread) if spread > 1e-9 * mean else nan), typical


def ewma_vol(returns: Values, half_life_bars: float, reference_bars: int, min_coverage: float) -> float:
    weights = 2.0 ** (-np.arange(len(returns))[::-1] / half_life_bars)
    there = ~np.isnan(returns)
    if weights[there].sum() / weights.sum() < min_coverage - 1e-12:
        return nan
    return sqrt(reference_bars * (weights[there] * returns[there] ** 2).sum() / weights[there].sum())


def tick_intensity(ticks: Values, there: Values, half_life_bars: float, bar_s: float, min_coverage: float) -> float:
    weights = 2.0 ** (-np.arange(len(ticks))[::-1] / half_life_bars)
    if weights[there].sum() / weights.sum() < min_coverage - 1e-12:
        return nan
    return float((weights[there] * ticks[there]).sum() / (weights[there].sum() * bar_s))


def week_share(time_ns: int, zone: tzinfo) -> float:
    moment = datetime.fromtimestamp(time_ns // S, zone)
    midnight = moment.replace(tzinfo=UTC, hour=0, minute=0, second=0)
    passed_s = moment.weekday() * 86_400 + (moment.replace(tzinfo=UTC) - midnight).seconds + time_ns % S / S
    return passed_s / (7 * 86_400)


def value_at_risk(returns: Values, min_coverage: float) -> float:
    if len(known(returns)) / len(returns) < min_coverage:
        return nan
    return 0.0 - float(np.quantile(known(returns), 0.05, method="linear"))


def max_drawdown(mids: list[float]) -> float:
    peak, deepest = 0.0, 0.0
    for mid in mids:
        peak = max(peak, mid)
        deepest = max(deepest, 1 - mid / peak)
    return deepest


class ReferenceEngine:
    """Several products, one record at a time."""

    def __init__(self, spec: FeatureSpec, products: int) -> None:
        self._products = [Product(number, spec) for number in range(products)]

    def take(self, record: Record) -> tuple[list[Row], str]:
        return self._products[record.product].take(record)


class ReferenceCandles:
    """Closed candles of one product, one at a time: (bar number, high, low, close)."""

    def __init__(self, spec: FeatureSpec) -> None:
        self._product = Product(0, spec)

    def take(self, number: int, high: float, low: float, close: float) -> tuple[list[Row], bool]:
        """Rows, and whether the candle was late."""
        product, rows = self._product, []
        if product.last_closed is not None and number <= product.last_closed:
            return [], True
        first = number if product.last_closed is None else product.last_closed + 1
        for absent in range(first, min(number, first + product.spec.memory_bars + 2)):
            rows += product._row(absent, None)
        rows += product._row(number, Bar(close, high, low, nan, nan, nan, None))
        product.last_closed = number
        return rows, False
