"""Barriers by conviction: a stronger edge has a wider target and more time."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.signals.metrics.canonical import Json, hash_of
from tickvol.signals.metrics.row_reader import Row, raise_all, repeated_codes, rows_of

Values = NDArray[np.float64]
_BAND_KEYS = ("edge_from", "edge_to", "tp_atr", "sl_atr", "lookahead_bars")
_LIMITS = ("tp_min", "tp_max", "sl_min", "sl_max")
_MAX_ATR, _MAX_LOOKAHEAD = 100.0, 100_000


@dataclass(frozen=True)
class Band:
    """Barriers for an edge in [edge_from, edge_to): multiples of ATR 14, and bars until the timeout."""

    edge_from: float
    edge_to: float
    tp_atr: float
    sl_atr: float
    lookahead_bars: int


@dataclass(frozen=True)
class Barriers:
    """Target and stop as fractions of the price, (n,) float64, and lookahead, (n,) int64 bars; NaN and 0 for none."""

    tp_frac: Values
    sl_frac: Values
    lookahead_bars: NDArray[np.int64]


@dataclass(frozen=True)
class RiskProfile:
    """Contiguous bands from the smallest edge to infinity, and the limits to which target and stop are clipped."""

    code: str
    bands: tuple[Band, ...]
    tp_min: float
    tp_max: float
    sl_min: float
    sl_max: float
    version: int = 1
    note: str = ""

    def barriers(self, edge: Values, atr14: Values, close: Values) -> Barriers:
        """Barriers of n decisions: `multiple * atr14 / close`, clipped; none below the first band or without an ATR."""
        starts = np.array([band.edge_from for band in self.bands])
        at = np.searchsorted(starts, edge, side="right") - 1
        none = (at < 0) | np.isnan(atr14)
        tp_atr, sl_atr = (np.array([getattr(band, name) for band in self.bands])[at] for name in ("tp_atr", "sl_atr"))
        tp = np.minimum(np.maximum(tp_atr * atr14 / close, self.tp_min), self.tp_max)
        sl = np.minimum(np.maximum(sl_atr * atr14 / close, self.sl_min), self.sl_max)
        lookahead = np.array([band.lookahead_bars for band in self.bands], dtype=np.int64)[at]
        return Barriers(np.where(none, np.nan, tp), np.where(none, np.nan, sl), np.where(none, 0, lookahead))

    @property
    def definition(self) -> Mapping[str, Json]:
        """All that gives the profile its meaning: not code, version or note. An open end is null."""
        bands: list[Json] = [
            {name: None if getattr(band, name) == math.inf else getattr(band, name) for name in _BAND_KEYS}
            for band in self.bands
        ]
        return {"bands": bands, **{name: getattr(self, name) for name in _LIMITS}}

    @property
    def definition_hash(self) -> str:
        """SHA-256 of the canonical JSON of the definition."""
        return hash_of(self.definition)


def parse_profiles(raw: object) -> tuple[RiskProfile, ...]:
    """Risk profiles of a file, in the order of its rows.

    Raises
    ------
    UsageError
        If any rule is broken: one line for each problem, with row, key, value and rule.
    """
    rows, problems = rows_of(raw)
    repeated_codes(rows)
    profiles = [_profile(row) for row in rows]
    raise_all(problems)
    return tuple(profile for profile in profiles if profile is not None)


def _profile(row: Row) -> RiskProfile | None:
    before = len(row.problems)
    row.only(("code", "bands", *_LIMITS, "note"))
    code, note = row.named(), row.note()
    limits = [row.number_in(key, 0.0, 0.99, required=True) for key in _LIMITS]
    bands = [_band(inner) for inner in row.sections("bands")]
    if len(row.problems) > before:
        return None
    tp_min, tp_max, sl_min, sl_max = (limit or 0.0 for limit in limits)
    for name, lowest, highest in (("tp", tp_min, tp_max), ("sl", sl_min, sl_max)):
        if not 0 < lowest < highest:
            row.refuse(f"{name}_min", lowest, f"must be above 0 and below {name}_max, {highest:g}")
    known = tuple(band for band in bands if band is not None)
    _check_order(row, known)
    return RiskProfile(code, known, tp_min, tp_max, sl_min, sl_max, note=note)


def _band(row: Row) -> Band | None:
    before = len(row.problems)
    row.only(_BAND_KEYS)
    edge_from = row.number_in("edge_from", 0.0, required=True)
    edge_to = row.number_in("edge_to", 0.0)
    tp, sl = (row.number_in(key, 1e-3, _MAX_ATR, required=True) for key in ("tp_atr", "sl_atr"))
    lookahead = row.number_in("lookahead_bars", 1, _MAX_LOOKAHEAD, required=True, whole=True)
    if len(row.problems) > before or edge_from is None or tp is None or sl is None or lookahead is None:
        return None
    return Band(edge_from, math.inf if edge_to is None else edge_to, tp, sl, int(lookahead))


def _check_order(row: Row, bands: tuple[Band, ...]) -> None:
    if not bands:
        row.refuse("bands", None, "missing: needs at least one band")
    for number, band in enumerate(bands, start=1):
        where = f"bands[{number}]"
        following = bands[number] if number < len(bands) else None
        if band.edge_to <= band.edge_from:
            row.refuse(
                f"{where}.edge_to", band.edge_to, f"must be above edge_from, {band.edge_from:g}: no edge is in it"
            )
        if following is None:
            if band.edge_to != math.inf:
                row.refuse(f"{where}.edge_to", band.edge_to, "must be absent: the last band has no end")
            continue
        if band.edge_to != following.edge_from:
            row.refuse(f"{where}.edge_to", band.edge_to, f"must be the next edge_from, {following.edge_from:g}")
        for key in ("tp_atr", "sl_atr", "lookahead_bars"):
            if getattr(following, key) < getattr(band, key):
                rule = f"must not be below that of the weaker band, {getattr(band, key):g}"
                row.refuse(f"bands[{number + 1}].{key}", getattr(following, key), rule)
