"""Prediction ids: stable, 63 bits, and different for each part of the key."""

import hashlib

from tests.signals.deciding.strategies import strategy_of
from tickvol.signals.deciding.identity import prediction_id

KEY = ("ab" * 32, "BTC-USDT", "1h", 1_700_000_000_000)


def test_the_id_is_the_first_63_bits_of_the_hash_of_the_key():
    digest = hashlib.sha256(f"{'ab' * 32}|BTC-USDT|1h|1700000000000".encode()).hexdigest()
    assert prediction_id(*KEY) == int(digest[:16], 16) // 2
    assert 0 <= prediction_id(*KEY) < 1 << 63


def test_each_part_of_the_key_changes_the_id():
    others = ("cd" * 32, "ETH-USDT", "15m", 1_700_000_000_001)
    ids = {prediction_id(*KEY[:i], other, *KEY[i + 1 :]) for i, other in enumerate(others)}
    assert len(ids | {prediction_id(*KEY)}) == 5


def test_ids_follow_the_meaning_of_a_strategy_and_not_its_name():
    first, renamed = strategy_of(), strategy_of(version=3, note="renamed")
    assert first.definition_hash == renamed.definition_hash
    assert first.definition_hash != strategy_of(threshold=2.5).definition_hash
