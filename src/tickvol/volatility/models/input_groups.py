"""Groups of inputs that learned models may leave out, by prefix of their column."""

from collections.abc import Mapping

REFERENCE = "reference"
"""Placeholder for the row's reference in an input's `column` or `over`."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "range": ("parkinson_vol", "range"),
    "returns": ("log_return", "value_at_risk_95", "max_drawdown"),
    "jumps": ("jump_share", "robust_z"),
    "weights": ("ewma_vol", "vol_zscore"),
    "ticks": ("tick_rate", "tick_intensity"),
    "spread": ("spread_bps",),
    "quotes": ("quote_imbalance",),
    "flow": ("order_flow_imbalance",),
    "clock": ("week_share",),
    "level": (REFERENCE,),
}
"""Groups of inputs, by prefix of their column; realized volatility is in none and always included."""
