"""The id of a prediction: a function of what it is, the same on every machine."""

import hashlib


def prediction_id(strategy_hash: str, symbol: str, interval: str, predicting_at_ms: int) -> int:
    """First 63 bits of SHA-256 of the natural key, `strategy_hash|symbol|interval|predicting_at_ms`."""
    key = f"{strategy_hash}|{symbol}|{interval}|{predicting_at_ms}"
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1
