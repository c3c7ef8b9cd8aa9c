"""A model whose answers are known, and requests for it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tickvol.core.times import NS_PER_S
from tickvol.volatility.answers.frame_rows import FrameRules
from tickvol.volatility.answers.served import AnomalyRules, Served
from tickvol.volatility.labels.scorable import unscorable_reasons
from tickvol.volatility.schema.feature_row import SCHEMA_VERSION, feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import LabelSpec

SPEC = FeatureSpec()
START_NS = 1_775_347_200 * NS_PER_S


class KnownModel:
    """Its probability is the row's `quote_imbalance_60`; `vol_zscore` gets twice the contribution, negative."""

    version = "sha256:known"
    schema_version = SCHEMA_VERSION
    spec = SPEC
    needed = ("quote_imbalance_60", "vol_zscore", "typical_vol")
    input_names = ("quote_imbalance_60", "vol_zscore")
    watch_threshold = 0.25
    alert_threshold = 0.5

    def __init__(self, *, simulated: bool = False) -> None:
        self.simulated = simulated

    def probability(self, table: FeatureTable) -> NDArray[np.float64]:
        return table.column("quote_imbalance_60")

    def evidence(self, table: FeatureTable) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        values = np.column_stack([table.column(name) for name in self.input_names])
        return values, np.column_stack([values[:, 0], -2 * values[:, 0]])

    def unscorable_reasons(self, table: FeatureTable) -> list[str | None]:
        return unscorable_reasons(table, LabelSpec())

    def describe(self) -> dict[str, Any]:
        return {"model_version": self.version}


def served(model: KnownModel | None = None, *, max_rows: int = 1000, max_frames: int = 20_000) -> Served:
    return Served(
        model=model or KnownModel(),
        frames=FrameRules(products=("BTC-USD", "ETH-USD"), max_line_bytes=1 << 20, max_ahead_s=5.0, trust_bare=False),
        anomaly=AnomalyRules(robust_z_threshold=3.5, vol_zscore_threshold=3.0),
        max_rows=max_rows,
        max_frames=max_frames,
    )


def row(
    probability: float | None = 0.1, *, second: int = 1, product: str = "BTC-USD", **features: Any
) -> dict[str, Any]:
    values: dict[str, Any] = dict.fromkeys(feature_names(SPEC), 0.0)
    values |= {f"coverage_{window}": 1.0 for window in SPEC.windows_s} | {"typical_vol": 1e-4}
    values |= {"quote_imbalance_60": probability} | features
    return {"product_id": product, "bar_end_ns": START_NS + second * NS_PER_S, "features": values}


def rows_body(*rows: dict[str, Any], version: int = SCHEMA_VERSION) -> dict[str, Any]:
    return {"feature_schema_version": version, "rows": list(rows)}


def frames(seconds: int, *, product: str = "BTC-USD", first_sequence: int = 0, simulated: bool = False) -> list[Any]:
    """Four ticker frames a second whose price wanders, and a heartbeat a minute."""
    rng = np.random.default_rng(3)
    prices = 60_000 * np.exp(np.cumsum(rng.normal(0, 2e-5, 4 * seconds)))
    made: list[Any] = []
    for place, price in enumerate(prices):
        second, quarter = divmod(place, 4)
        ticker = {
            "type": "ticker",
            "product_id": product,
            "price": f"{price:.2f}",
            "best_bid": f"{price - 0.01:.2f}",
            "best_ask": f"{price + 0.01:.2f}",
            "best_bid_quantity": "0.5",
            "best_ask_quantity": "0.7",
        }
        made.append(
            _frame("ticker", second, quarter, len(made) + first_sequence, {"type": "update", "tickers": [ticker]})
        )
        if place % 240 == 239:
            beat: dict[str, Any] = {"current_time": "", "heartbeat_counter": place}
            beat |= {"simulated": True} if simulated else {}
            made.append(_frame("heartbeats", second, quarter, len(made) + first_sequence, beat))
    return made


def _frame(channel: str, second: int, quarter: int, sequence: int, event: dict[str, Any]) -> dict[str, Any]:
    minute, rest = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    stamp = f"2026-04-05T{hour:02d}:{minute:02d}:{rest:02d}.{quarter * 250:03d}Z"
    return {"channel": channel, "client_id": "", "timestamp": stamp, "sequence_num": sequence, "events": [event]}
