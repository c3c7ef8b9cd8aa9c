"""A small warehouse: rows for most tables, under surrogate keys that start where a test wants."""

import numpy as np

from tickvol.signals.warehouse.declaring import METADATA
from tickvol.signals.warehouse.schema import TABLES
from tickvol.storage.warehouse.insert import insert_new

HOUR_MS = 3_600_000
START_MS = 1_700_000_000_000


def sample(first_id=1):
    """Columns by table; `first_id` moves every surrogate key."""
    one, two = first_id, first_id + 1
    close = START_MS + HOUR_MS * np.arange(4)
    hashes = [digit * 64 for digit in "0123456789abcdef"]
    return {
        "dim_symbol": {
            "symbol_id": [one, two],
            "code": ["BTC-USDT", "btc-USDT"],
            "base": ["BTC", "btc"],
            "quote": ["USDT"] * 2,
            "venue": ["binance-spot"] * 2,
            "active": [1, 0],
        },
        "dim_interval": {"interval_id": [one], "code": ["1h"], "length_ms": [HOUR_MS]},
        "dim_indicator_type": {
            "indicator_type_id": [one],
            "code": ["rsi14"],
            "version": [1],
            "source": ["stored"],
            "kind": ["rsi"],
            "params": ['{"length":14}'],
            "unit": ["points"],
            "warmup_bars": [15],
            "memory_bars": [140],
            "formula_hash": [hashes[0]],
        },
        "dim_metric": {
            "metric_id": [one],
            "code": ["rsi_low"],
            "version": [1],
            "indicator_type_id": [one],
            "reference_type_id": [None],
            "direction": ["BELOW"],
            "threshold_start": [30.0],
            "threshold_end": [None],
            "window_size": [1],
            "window_unit": ["BARS"],
            "side": ["BUY"],
            "metric_group": ["MOMENTUM"],
            "weight": [1.0],
            "active": [1],
            "symbol_id": [two],
            "interval_id": [None],
            "definition_hash": [hashes[1]],
            "recorded_at_ms": [START_MS + first_id],
            "superseded_at_ms": [None],
            "note": [None],
        },
        "dim_risk_profile": {
            "risk_profile_id": [one],
            "code": ["plain"],
            "version": [1],
            "definition": ["{}"],
            "definition_hash": [hashes[2]],
            "recorded_at_ms": [START_MS + first_id],
        },
        "dim_strategy": {
            "strategy_id": [one],
            "code": ["edge"],
            "version": [1],
            "scorer": ["edge"],
            "interval_id": [one],
            "definition": ["{}"],
            "definition_hash": [hashes[3]],
            "risk_profile_id": [one],
            "recorded_at_ms": [START_MS + first_id],
        },
        "strategy_metric": {"strategy_id": [one], "metric_id": [one], "side": ["BUY"], "weight": [1.0]},
        "fact_kline": {
            "symbol_id": [one, one, two, two],
            "interval_id": [one] * 4,
            "close_time_ms": close,
            "open": [1.0, 2.0, 3.0, 4.0],
            "high": [2.0, 3.0, 4.0, 5.0],
            "low": [0.5] * 4,
            "close": [1.5] * 4,
            "volume": [-0.0, 1.0, 1 / 3, 5e-324],
            "quote_volume": [None, 1.0, 2.0, 3.0],
            "trades": [None, 1, 2, 3],
            "taker_base_volume": [None] * 4,
            "origin": ["ws", "rest", "dump", "file"],
            "revision": [0] * 4,
        },
        "fact_indicator": {
            "symbol_id": np.full(4, one),
            "interval_id": np.full(4, one),
            "indicator_type_id": np.full(4, one),
            "close_time_ms": close,
            "value": np.array([50.0, 1 / 3, -0.0, 99.9]),
            "history_bars": np.full(4, 140),
        },
        "fact_prediction": {
            "prediction_id": np.array([2**63 - 1, 2**53 + 1, 3]),
            "strategy_id": [one] * 3,
            "symbol_id": [one] * 3,
            "interval_id": [one] * 3,
            "predicting_at_ms": close[:3],
            "buy_score": [1.0, 0.5, 0.0],
            "sell_score": [0.0] * 3,
            "market_score": [1.0, 0.5, 0.0],
            "confidence_score": [0.9] * 3,
            "raw_action": ["BUY", "BUY", "SIDEWAY"],
            "action": ["BUY", "BUY", "SIDEWAY"],
            "metric_no_trade": [0] * 3,
            "reason_no_trade": [None] * 3,
            "tp_frac": [0.02, 0.02, None],
            "sl_frac": [0.01, 0.01, None],
            "lookahead_bars": [12, 12, None],
            "close": [1.5] * 3,
            "breakdown": ["{}"] * 3,
        },
        "fact_prediction_result": {
            "prediction_id": [2**63 - 1],
            "result_status": ["WIN"],
            "exit_reason": ["TP"],
            "entry_price": [1.5],
            "exit_price": [1.53],
            "pnl_gross_frac": [0.02],
            "pnl_net_frac": [0.0175],
            "pnl_net_optimistic_frac": [0.0175],
            "max_return_frac": [0.02],
            "min_return_frac": [0.0],
            "bars_held": [3],
            "resolution": ["1h"],
            "ambiguous": [0],
            "confirmed_at_ms": [int(close[3])],
        },
        "mining_run": {
            "mining_id": [one],
            "strategy_id": [one],
            "from_ms": [0],
            "split_ms": [1],
            "to_ms": [2],
            "params": ["{}"],
            "n_train": [10],
            "n_test": [5],
            "family_p": [0.5],
            "input_hash": [hashes[4]],
        },
        "fp_growth_patterns": {
            "mining_id": [one] * 2,
            "pattern_hash": [hashes[5]] * 2,
            "outcome": ["WIN", "LOSS"],
            "items": ["rsi_low"] * 2,
            "item_count": [1] * 2,
            "n_trades": [10] * 2,
            "n_pattern": [3, 7],
            "support": [0.3, 0.7],
        },
        "etl_watermark": {"step": ["klines"], "symbol_id": [one], "interval_id": [one], "complete_to_ms": [START_MS]},
    }


def write_sample(database, first_id=1):
    """Write the sample in one transaction; return the counts by table."""
    columns = sample(first_id)
    with database.writing("klines") as connection:
        return {
            table.name: insert_new(connection, METADATA.tables[table.name], columns[table.name])
            for table in TABLES
            if table.name in columns
        }
