"""Malformed messages of every kind, as a foreign producer may put them into the topic of ticks."""

import json
import random

from tickvol.bus.messages import partition_of

TICK = {
    "type": "tick",
    "connection_id": "foreign",
    "sequence_num": 5,
    "price": "100.5",
    "best_bid": "100",
    "best_ask": "101",
    "best_bid_quantity": "1",
    "best_ask_quantity": "1",
}


def kinds(product_id: str, time_ns: int) -> dict[str, list[bytes | None]]:
    """Values by the reason that each is to be rejected for; all say `product_id` and `time_ns` where they say any."""

    def tick(**changes: object) -> bytes:
        about = {**TICK, "product_id": product_id, "event_time_ns": time_ns, "receive_time_ns": time_ns, **changes}
        return json.dumps({name: value for name, value in about.items() if value is not ...}).encode()

    gap = {"type": "gap", "product_id": product_id, "to_time_ns": time_ns, "reason": "jump"}
    return {
        "null_value": [None],
        "not_json": [b"", b"\x00\x01", b"{", tick()[:-1], b"\n" + tick() + tick(), tick() + b"\n" + tick(), b"NaN"],
        "not_utf8": [b"\xff\xfe", tick().replace(b"foreign", b"\xff")],
        "too_long": [b"[" + b" " * (1 << 20) + b"]"],
        "bad_field": [
            b"1",
            b"[]",
            b"null",
            b"{}",
            tick(type="trade"),
            tick(type=...),
            tick(price=...),
            tick(price=100.5),
            tick(sequence_num="5"),
            tick(sequence_num=-1),
            tick(sequence_num=2**80),
            tick(connection_id=None),
            tick(event_time_ns="now"),
            json.dumps({**gap, "from_time_ns": time_ns + 1}).encode(),
            json.dumps({**gap, "from_time_ns": time_ns, "reason": "foreign"}).encode(),
        ],
        "too_deep": [tick(foreign=0).replace(b"0}", b"[" * 100_000)],
        "bad_number": [tick(price=""), tick(best_bid="1e3"), tick(best_ask="NaN"), tick(best_bid="1\n2")],
        "price_out_of_range": [tick(price="-1"), tick(best_bid="0"), tick(best_ask="9999999999999")],
        "quantity_out_of_range": [tick(best_bid_quantity="-1"), tick(best_ask_quantity="1" + "0" * 16)],
        "crossed_quotes": [tick(best_bid="102")],
        "bad_timestamp": [tick(receive_time_ns=-1), tick(receive_time_ns=2**63 - 1)],
        "unconfirmed_time": [tick(event_time_ns=time_ns + 365 * 86400 * 10**9)],
    }


def put_poison(producer, kafka, product_id: str, time_ns: int, rng: random.Random, only: str | None = None) -> str:
    """Put one malformed message; gives the reason that it must be rejected for."""
    partition = partition_of(product_id, kafka.partitions)
    reason = only or rng.choice([*kinds(product_id, time_ns), "wrong_key", "wrong_partition", "bad_timestamp"])
    key, stamp = product_id.encode(), time_ns // 1_000_000
    good = json.dumps({**TICK, "product_id": product_id, "event_time_ns": time_ns, "receive_time_ns": time_ns}).encode()
    if reason == "wrong_key":
        value, key = good, rng.choice([b"", b"XXX-USD", None, b"\xff"])
    elif reason == "wrong_partition":
        value, partition = good, (partition + 1) % kafka.partitions
    elif reason == "bad_timestamp" and rng.random() < 0.5:
        value, stamp = good, stamp - 5000
    else:
        value = rng.choice(kinds(product_id, time_ns)[reason])
    if reason == "unconfirmed_time":
        stamp += 365 * 86400 * 1000
    producer.send(kafka.topic_ticks, value=value, key=key, partition=partition, timestamp_ms=stamp)
    return reason
