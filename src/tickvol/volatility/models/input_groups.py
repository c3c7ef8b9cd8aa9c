"""Groups of inputs that learned models may leave out, by the beginnings of their names."""

from collections.abc import Mapping

REFERENCE = "reference"
"""Stands for the row's reference where an input names the column that it is divided by."""

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
"""Beginnings of the columns of each group; realized volatility is in none and always used."""
