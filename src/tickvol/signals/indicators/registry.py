"""Known indicators: formula, unit, range, warm-up and memory of each."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import InputError
from tickvol.signals.indicators.bars import COLUMNS, DAY_MS, MIN_LENGTH_MS
from tickvol.signals.metrics.canonical import canonical_json, hash_of

Scope = Literal["window", "recursion", "session"]
PRICE, POINTS, FRACTION, ONE, BASE = "price", "points", "frac", "1", "base"
UNBOUNDED = 0
"""Memory of an anchored indicator: its value depends on all bars since the first."""


@dataclass(frozen=True)
class Indicator:
    """One version of an indicator.

    Parameters
    ----------
    code, version : the key; a change of any other field but the range is a new version
    source : `kline` is a column of the bar itself, `stored` a series of its own
    kind, params : the kernel and its parameters by name; `sentiment` has no kernel
    formula : value at bar i from the bars up to i
    unit : `price` and `base` (volume) as the product quotes them, `points` 0 to 100, `frac` 0.01 = 1 %, `1` a ratio
    warmup_bars : bars needed for a row; from there the seed weighs less than 1 %
    memory_bars : bars that a value depends on, 0 for all since the first; for a session at bars of one minute
    scope : `window` needs all its bars, `recursion` restarts after a hole and may bridge a short one,
        `session` needs all bars since 00:00 UTC of the bar's open time
    lowest, highest : values lie in [lowest, highest]
    """

    code: str
    kind: str
    formula: str
    unit: str
    warmup_bars: int
    memory_bars: int
    scope: Scope = "window"
    params: Mapping[str, int] = field(default_factory=dict)
    lowest: float = -math.inf
    highest: float = math.inf
    source: Literal["kline", "stored"] = "stored"
    version: int = 1

    @property
    def has_kernel(self) -> bool:
        """False where the values come from elsewhere."""
        return self.kind != "sentiment"

    @property
    def params_json(self) -> str:
        """Parameters as canonical JSON."""
        return canonical_json(self.params)

    @cached_property
    def formula_hash(self) -> str:
        """SHA-256 of all that determines a value and its rows, 64 hexadecimal digits."""
        names = (
            "code",
            "version",
            "kind",
            "params",
            "formula",
            "unit",
            "scope",
            "source",
            "warmup_bars",
            "memory_bars",
        )
        return hash_of({name: getattr(self, name) for name in names})

    def memory_at(self, length_ms: int) -> int:
        """Memory in bars of `length_ms`; differs from `memory_bars` for sessions only."""
        return max(1, -(-DAY_MS // length_ms)) if self.scope == "session" else self.memory_bars


def _column(code: str) -> Indicator:
    unit, lowest = (BASE, 0.0) if code == "volume" else (PRICE, 0.0)
    formula = f"{code} of bar i"
    return Indicator(
        code, "column", formula, unit, 1, 1, "window", {"column": COLUMNS.index(code)}, lowest, math.inf, "kline"
    )


def _ema(n: int, warmup: int) -> Indicator:
    formula = f"EMA of C, alpha 2/({n}+1), seed: mean of the first {n} of the memory"
    return Indicator(f"ema{n}", "ema", formula, PRICE, warmup, 14 * n, "recursion", {"n": n}, 0.0)


def _macd(code: str, formula: str, warmup: int, memory: int) -> Indicator:
    periods = {"fast": 12, "slow": 26} | ({} if code == "macd" else {"signal": 9})
    return Indicator(code, code, formula, PRICE, warmup, memory, "recursion", periods)


def _wilder(
    code: str, formula: str, unit: str, highest: float = math.inf, warmup: int = 80, memory: int = 490
) -> Indicator:
    kind = code.removesuffix("14")
    return Indicator(code, kind, formula, unit, warmup, memory, "recursion", {"n": 14}, 0.0, highest)


def _rolling(
    code: str, formula: str, unit: str, lowest: float = -math.inf, highest: float = math.inf, bars: int = 20
) -> Indicator:
    kind = code.removesuffix("20")
    return Indicator(code, kind, formula, unit, bars, bars, "window", {"n": 20}, lowest, highest)


def _bollinger(code: str, kind: str, formula: str, unit: str, sigmas: int, lowest: float = -math.inf) -> Indicator:
    return Indicator(code, kind, formula, unit, 20, 20, "window", {"n": 20, "sigmas": sigmas}, lowest)


def _session(code: str, kind: str, formula: str, unit: str, lowest: float) -> Indicator:
    return Indicator(code, kind, formula, unit, 1, DAY_MS // MIN_LENGTH_MS, "session", {}, lowest)


_OBV = "sum of sign(C - C_prev) V from the first bar on; anchored, only differences have a meaning"
_SHARE = "sum of sign(C - C_prev) V / sum of V over 20 moves; unknown without volume"
_SENTIMENT = "score of the news of 24 hours that were available at the end of the bar"
_ALL = (
    *map(_column, COLUMNS),
    _wilder(
        "rsi14", "100 up / (up + down), Wilder means of up and down moves of C; 50 where both are 0", POINTS, 100.0
    ),
    *(_ema(n, warmup) for n, warmup in ((12, 40), (26, 86), (50, 165), (200, 660))),
    _macd("macd", "ema12 - ema26", 86, 364),
    _macd(
        "macd_signal", "EMA9 of EMA12 - EMA26, all from the start of the memory, seed: mean of the first 9", 116, 490
    ),
    _macd("macd_hist", "macd - macd_signal", 116, 490),
    _wilder("plus_di14", "100 (Wilder mean of +DM) / (Wilder mean of the true range); 0 without range", POINTS, 100.0),
    _wilder("minus_di14", "100 (Wilder mean of -DM) / (Wilder mean of the true range); 0 without range", POINTS, 100.0),
    _wilder("adx14", "Wilder mean of 100 |+DI - -DI| / (+DI + -DI), 0 where the sum is 0", POINTS, 100.0, 156, 630),
    _bollinger("bb_upper", "band", "mean + 2 population deviations of C over 20 bars", PRICE, 2, 0.0),
    _bollinger("bb_middle", "band", "mean of C over 20 bars", PRICE, 0, 0.0),
    _bollinger("bb_lower", "band", "mean - 2 population deviations of C over 20 bars", PRICE, -2),
    _bollinger("percent_b", "percent_b", "(C - bb_lower) / (bb_upper - bb_lower); unknown at width 0", ONE, 2),
    _bollinger("bandwidth", "bandwidth", "(bb_upper - bb_lower) / bb_middle", ONE, 2, 0.0),
    _wilder("atr14", "Wilder mean of the true range max(H - L, |H - C_prev|, |L - C_prev|)", PRICE),
    _wilder("atr_frac", "atr14 / C", FRACTION),
    _rolling("vwap20", "sum of tp V / sum of V over 20 bars, tp = (H + L + C) / 3; unknown without volume", PRICE, 0.0),
    _rolling("vwap_dev20", "(C - vwap20) / vwap20", FRACTION, -1.0),
    _session("vwap_session", "vwap", "sum of tp V / sum of V since 00:00 UTC of the bar's open time", PRICE, 0.0),
    _session("vwap_session_dev", "vwap_dev", "(C - vwap_session) / vwap_session", FRACTION, -1.0),
    _rolling("obv_share20", _SHARE, ONE, -1.0, 1.0, bars=21),
    Indicator("obv", "obv", _OBV, BASE, 1, UNBOUNDED, "recursion"),
    _rolling("volume_ratio20", "V / mean of V over 20 bars, this one included; unknown without volume", ONE, 0.0, 20.0),
    Indicator("sentiment_24h", "sentiment", _SENTIMENT, ONE, 1, 1, "window", {}, -1.0, 1.0),
)
INDICATORS: Mapping[str, Indicator] = MappingProxyType({each.code: each for each in _ALL})
"""All indicators by code."""


def computed(codes: Iterable[str]) -> tuple[Indicator, ...]:
    """Indicators of these codes, in their order.

    Raises
    ------
    InputError
        If a code is unknown, repeated, or names a series that no kernel computes.
    """
    chosen: list[Indicator] = []
    for code in codes:
        if code not in INDICATORS:
            raise InputError(f"indicator: {code}: must be one of {', '.join(INDICATORS)}")
        if not INDICATORS[code].has_kernel:
            raise InputError(f"indicator: {code}: is not computed from bars: read its stored series")
        if INDICATORS[code] in chosen:
            raise InputError(f"indicator: {code}: must be named once")
        chosen.append(INDICATORS[code])
    return tuple(chosen)


def kernel_table(indicators: Iterable[Indicator], length_ms: int) -> NDArray[np.int64]:
    """Rows for the kernel, (k, 7) int64: kind, scope, warm-up, memory and three parameters."""
    from tickvol.signals.indicators.fill_kernel import KINDS, SCOPES

    rows = []
    for each in indicators:
        parameters = [*each.params.values(), 0, 0, 0][:3]
        scope = SCOPES.index(each.scope)
        rows.append([KINDS.index(each.kind), scope, each.warmup_bars, each.memory_at(length_ms), *parameters])
    return np.array(rows, dtype=np.int64).reshape(-1, 7)
