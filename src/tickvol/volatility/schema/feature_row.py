"""The feature row: the declared order of columns, each with its unit. `docs/feature_spec.md` holds the formulas."""

import msgspec

from tickvol.volatility.schema.feature_spec import FeatureSpec

SCHEMA_VERSION = 2
"""Incremented whenever a column's name, position, unit or formula changes."""

KEY_COLUMNS = ("product_id", "bar_end_ns")

_PER_WINDOW = (
    ("log_return", "log-return over the window"),
    ("realized_vol", "log-return per window, root of the sum of squares"),
    ("bipower_vol", "log-return per window"),
    ("jump_share", "share of variance, 0 to 1"),
    ("range", "log of high over low"),
    ("tick_rate", "ticks per second"),
    ("spread_bps", "basis points of the mid"),
    ("quote_imbalance", "-1 (all ask) to 1 (all bid)"),
    ("downside_vol", "log-return per window, root of the sum of squares"),
    ("parkinson_vol", "log-return per window"),
    ("order_flow_imbalance", "-1 (all selling) to 1 (all buying)"),
    ("quote_imbalance_change", "per bar, 0 to 2"),
    ("coverage", "share of known bars, 0 to 1"),
)


class Column(msgspec.Struct, frozen=True):
    """A feature's name and unit."""

    name: str
    unit: str


_CLOCKS = (
    Column("time_of_day_sin", "sine of the UTC day's angle"),
    Column("time_of_day_cos", "cosine of the UTC day's angle"),
    Column("week_share", "share of the UTC week since Monday, 0 to 1"),
    Column("week_share_new_york", "share of New York's week since Monday, 0 to 1"),
)

CLOCK_NAMES = tuple(column.name for column in _CLOCKS)
"""Features that follow from `bar_end_ns` alone and carry no market information."""


def feature_columns(spec: FeatureSpec) -> tuple[Column, ...]:
    """All features of a spec, in the order used by every row, file and model.

    >>> [c.name for c in feature_columns(FeatureSpec())][:3]
    ['mid', 'bar_log_return', 'log_return_10']
    """
    columns = [Column("mid", "quote currency"), Column("bar_log_return", "log-return per bar")]
    columns += [Column(f"{stem}_{window_s}", unit) for window_s in spec.windows_s for stem, unit in _PER_WINDOW]
    columns += [
        Column("robust_z", "robust standard deviations"),
        Column("vol_zscore", "standard deviations"),
        Column("typical_vol", f"log-return per {spec.reference_window_s} s"),
    ]
    columns += [
        Column(f"vol_ratio_{short}_{long}", "ratio of volatilities per root second")
        for short, long in zip(spec.windows_s, spec.windows_s[1:], strict=False)
    ]
    columns += [
        Column(f"ewma_vol_{half_life_s}", f"log-return per {spec.reference_window_s} s")
        for half_life_s in spec.half_lives_s
    ]
    columns += [Column(f"tick_intensity_{half_life_s}", "ticks per second") for half_life_s in spec.half_lives_s]
    columns += [
        Column("value_at_risk_95", "log-return per bar, loss positive"),
        Column("max_drawdown", "share of the peak, 0 to 1"),
    ]
    return (*columns, *_CLOCKS)


def feature_names(spec: FeatureSpec) -> tuple[str, ...]:
    """Names of `feature_columns`."""
    return tuple(column.name for column in feature_columns(spec))
