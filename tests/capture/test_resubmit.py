"""Dead letters through the decoders: what they give now, or the reason."""

import msgspec
import pytest

from tests.eventlog import wire
from tickvol.capture.resubmit import records_again
from tickvol.config import load_config
from tickvol.core.errors import InputError
from tickvol.core.records import Gap, Heartbeat, Tick

CONFIG = load_config(env_file=None)
LINE, RECORD = "20260405T000000Z_20260405T00.ndjson:7", "ticks.raw-0@12"
T0, RECEIVED = wire.START_NS, wire.START_NS + 5 * wire.MS
TICK = Tick(wire.BTC, T0, RECEIVED, "c1", 3, "67223.50", "67223.49", "67223.50", "0.5", "0.2")


def again(source, content):
    return records_again(source, content, CONFIG.products, max_line_bytes=CONFIG.ingestion.max_line_bytes)


def test_a_line_of_the_archive_gives_its_ticks_under_their_own_identity():
    ticks = again(LINE, wire.wrap(wire.ticker(41, T0, wire.BTC, wire.ETH), RECEIVED, "c7"))
    assert [(tick.product_id, tick.connection_id, tick.sequence_num) for tick in ticks] == [
        (wire.BTC, "c7", 41),
        (wire.ETH, "c7", 41),
    ]
    assert {(tick.event_time_ns, tick.receive_time_ns, tick.best_bid) for tick in ticks} == {(T0, RECEIVED, "67223.49")}


@pytest.mark.parametrize(
    "record", [TICK, Heartbeat(wire.BTC, T0, RECEIVED, "c1", 4), Gap(wire.BTC, T0, T0 + 9, "jump")]
)
def test_a_record_of_the_log_comes_back_as_it_was(record):
    assert again(RECORD, msgspec.json.encode(record)) == [record]


CROSSED = wire.quote(wire.ETH, bid="9", ask="8")
HALF = wire.frame("ticker", 1, T0, [{"type": "update", "tickers": [wire.quote(), CROSSED]}])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (wire.wrap(wire.ticker(1, T0, bid="2", ask="1"), RECEIVED), "^crossed_quotes$"),
        (wire.wrap(HALF, RECEIVED), "^crossed_quotes$"),
        (wire.wrap(wire.ticker(1, T0, "XRP-USD"), RECEIVED), "^unknown_product$"),
        (wire.wrap(b"\xff\xfe", RECEIVED), "^not_utf8$"),
        (wire.wrap(b"{", RECEIVED), "^not_json$"),
        (b"{torn", "^not_json; it must be a line of the archive: receive_time_ns, connection_id and frame"),
        (wire.ticker(1, T0), "^bad_field; it must be a line of the archive"),
        (wire.wrap(wire.heartbeat(1, T0), RECEIVED), "^a heartbeat names no product"),
        (wire.wrap(wire.frame("subscriptions", 1, T0, []), RECEIVED), "^other: gives no record"),
        (wire.control("connection_opened"), "^opened: gives no record"),
        (b"", "^not_json"),
    ],
)
def test_a_line_that_is_still_bad_is_refused_with_the_reason(content, reason):
    with pytest.raises(InputError, match=reason):
        again(LINE, content)


def encoded(**changes):
    return msgspec.json.encode(msgspec.structs.replace(TICK, **changes))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "not_json"),
        (b"\xff", "not_utf8"),
        (b"{}", "bad_field"),
        (encoded(best_bid="99999"), "crossed_quotes"),
        (encoded(price="x"), "bad_number"),
        (encoded(product_id="XRP-USD"), "unknown_product"),
        (encoded(sequence_num=-1), "bad_field"),
        (encoded(event_time_ns=-1), "bad_timestamp"),
        (b'{"a":' + b"[" * 100_000, "too_deep"),
    ],
)
def test_a_record_that_is_still_bad_is_refused_with_the_reason(content, reason):
    with pytest.raises(InputError, match=f"^{reason}$"):
        again(RECORD, content)


def test_a_product_that_nobody_asked_for_does_not_hold_back_the_others():
    ticks = again(LINE, wire.wrap(wire.ticker(1, T0, wire.BTC, "XRP-USD"), RECEIVED))
    assert [tick.product_id for tick in ticks] == [wire.BTC]
