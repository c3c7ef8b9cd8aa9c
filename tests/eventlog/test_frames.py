"""The decoder: every layout, every field, and a reason for whatever is not used."""

import json

import numpy as np
import pytest

from tests.eventlog import wire
from tests.eventlog.wire import BTC, ETH, START_NS
from tickvol.core.records import GapReason
from tickvol.eventlog.frame_columns import Kind, Reject, concatenate
from tickvol.eventlog.frames import FrameDecoder, Layout, detect_layout

LIMIT = 1 << 16
GOOD = wire.ticker(7, START_NS)


def decode(*lines, layout=Layout.BARE, products=(BTC, ETH)):
    return FrameDecoder(products, LIMIT).decode(list(lines), layout, bare_connection="file:a")


def changed(**fields):
    """A good ticker frame with other fields; `...` removes one."""
    return wire.frame(**{"channel": "ticker", "sequence_num": 7, "time_ns": START_NS,
                         "events": [{"type": "update", "tickers": [wire.quote()]}]} | fields)  # fmt: skip


def quoted(**fields):
    return wire.ticker(7, START_NS, **fields)


def recorder(data, conn="1", kind="recv"):
    return json.dumps({"t": kind, "conn": conn, "ts": 1.5, "data": data}).encode()


REJECTED = {
    "not JSON": (b"{", Reject.NOT_JSON),
    "empty line": (b"", Reject.NOT_JSON),
    "blanks": (b"   \t", Reject.NOT_JSON),
    "binary": (bytes(range(32)), Reject.NOT_JSON),
    "two values on a line": (GOOD + GOOD, Reject.NOT_JSON),
    "cut in the middle": (GOOD[: len(GOOD) // 2], Reject.NOT_JSON),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, Reject.NOT_JSON),
    "lone surrogate": (GOOD.replace(b"BTC-USD", b"\\ud800"), Reject.NOT_JSON),
    "not UTF-8 in a value": (GOOD.replace(b"BTC-USD", b"BTC\xffUSD"), Reject.NOT_UTF8),
    "not UTF-8 in a name": (GOOD.replace(b"channel", b"chann\xff"), Reject.BAD_FIELD),
    "UTF-16": (GOOD.decode().encode("utf-16"), Reject.NOT_UTF8),
    "too long": (GOOD[:-1] + b" " * LIMIT + b"}", Reject.TOO_LONG),
    "10,000 brackets": (b"[" * 10_000, Reject.BAD_FIELD),
    "10,000 nested objects": (b'{"a":' * 10_000, Reject.TOO_DEEP),
    "deep nesting in an ignored field": (GOOD[:-1] + b',"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}", Reject.TOO_DEEP),
    "a list": (b"[]", Reject.BAD_FIELD),
    "null": (b"null", Reject.BAD_FIELD),
    "a number": (b"1", Reject.BAD_FIELD),
    "an empty object": (b"{}", Reject.BAD_FIELD),
    "no channel": (changed(channel=...), Reject.BAD_FIELD),
    "no timestamp": (changed(timestamp=...), Reject.BAD_FIELD),
    "no sequence number": (changed(sequence_num=...), Reject.BAD_FIELD),
    "renamed sequence number": (GOOD.replace(b"sequence_num", b"sequenceNum"), Reject.BAD_FIELD),
    "renamed price": (GOOD.replace(b'"price"', b'"Price"'), Reject.BAD_FIELD),
    "no best bid": (quoted(best_bid=...), Reject.BAD_FIELD),
    "no product": (wire.frame("ticker", 7, START_NS, [{"tickers": [wire.quote(product_id=...)]}]), Reject.BAD_FIELD),
    "no events": (changed(events=...), Reject.BAD_FIELD),
    "no tickers": (changed(events=[{"tickers": []}]), Reject.BAD_FIELD),
    "events null": (changed(events=None), Reject.BAD_FIELD),
    "number where text is expected": (quoted(price=67223.5), Reject.BAD_FIELD),
    "text where a number is expected": (changed(sequence_num="7"), Reject.BAD_FIELD),
    "fraction as sequence number": (changed(sequence_num=7.5), Reject.BAD_FIELD),
    "negative sequence number": (changed(sequence_num=-1), Reject.BAD_FIELD),
    "huge sequence number": (changed(sequence_num=2**62), Reject.BAD_FIELD),
    "sequence number of 40 digits": (changed(sequence_num=10**40), Reject.BAD_FIELD),
    "time as a number": (changed(timestamp=1775347200), Reject.BAD_FIELD),
    "time empty": (changed(timestamp=""), Reject.BAD_TIMESTAMP),
    "time before the epoch": (changed(timestamp="1969-12-31T23:59:59Z"), Reject.BAD_TIMESTAMP),
    "time beyond int64": (changed(timestamp="9999-12-31T23:59:59Z"), Reject.BAD_TIMESTAMP),
    "ten fractional digits": (changed(timestamp="2026-04-05T00:00:00.1234567890Z"), Reject.BAD_TIMESTAMP),
    "time with a line feed": (changed(timestamp="2026-04-05T00:00:00Z\n2026-04-05T00:00:00Z"), Reject.BAD_TIMESTAMP),
    "price 0": (quoted(price="0"), Reject.PRICE_OUT_OF_RANGE),
    "bid 0.00": (quoted(best_bid="0.00"), Reject.PRICE_OUT_OF_RANGE),
    "price negative": (quoted(price="-67223.50"), Reject.PRICE_OUT_OF_RANGE),
    "price of 400 digits": (quoted(price="9" * 400), Reject.PRICE_OUT_OF_RANGE),
    "ask of 13 digits": (quoted(best_ask="1000000000000"), Reject.PRICE_OUT_OF_RANGE),
    "price NaN": (quoted(price="NaN"), Reject.BAD_NUMBER),
    "price 1e308": (quoted(price="1e308"), Reject.BAD_NUMBER),
    "price Infinity": (quoted(price="Infinity"), Reject.BAD_NUMBER),
    "price empty": (quoted(price=""), Reject.BAD_NUMBER),
    "price with a comma": (quoted(price="67,223.50"), Reject.BAD_NUMBER),
    "price with a line feed": (quoted(price="1\n2"), Reject.BAD_NUMBER),
    "price in other digits": (quoted(price="١"), Reject.BAD_NUMBER),
    "quantity negative": (quoted(best_bid_quantity="-0.1"), Reject.QUANTITY_OUT_OF_RANGE),
    "quantity of 400 digits": (quoted(best_bid_quantity="9" * 400), Reject.QUANTITY_OUT_OF_RANGE),
    "quantity that is none": (quoted(best_ask_quantity="much"), Reject.BAD_NUMBER),
    "crossed quotes": (quoted(best_bid="2", best_ask="1"), Reject.CROSSED_QUOTES),
    "unknown product": (wire.ticker(7, START_NS, "XRP-USD"), Reject.UNKNOWN_PRODUCT),
}


@pytest.mark.parametrize("case", REJECTED)
def test_a_bad_frame_is_rejected_with_its_reason_and_its_neighbours_are_not(case):
    line, reason = REJECTED[case]
    frames = decode(GOOD, line, GOOD)
    assert [Kind(kind) for kind in frames.kind] == [Kind.TICKER, Kind.REJECTED, Kind.TICKER]
    assert Reject(frames.reason[1]) is reason
    assert frames.tick_begin.tolist() == [0, 1, 1, 2]
    assert frames.lines[1] == line


@pytest.mark.parametrize("case", [case for case, (_, why) in REJECTED.items() if why is not Reject.TOO_DEEP])
def test_a_bad_frame_inside_a_wrapped_line_has_the_same_reason(case):
    line, reason = REJECTED[case]
    frames = decode(wire.wrap(line, START_NS), layout=Layout.WRAPPED)
    assert (Kind(frames.kind[0]), Reject(frames.reason[0])) == (Kind.REJECTED, reason)


ACCEPTED = {
    "carriage return at the end": GOOD + b"\r",
    "blanks around": b"  " + GOOD + b" \t",
    "unknown fields": changed(events=[{"tickers": [wire.quote(new_field=[1, {"a": None}])]}]),
    "no client_id": changed(client_id=...),
    "no quantities": quoted(best_bid_quantity=..., best_ask_quantity=...),
    "quantities null": quoted(best_bid_quantity=None, best_ask_quantity=None),
    "quantity 0": quoted(best_bid_quantity="0"),
    "bid equals ask": quoted(best_bid="67223.50"),
    "no fraction of a second": changed(timestamp="2026-04-05T00:00:00Z"),
    "price away from the quotes": quoted(price="1"),
    "a mantissa beyond float64": quoted(price="67223.500000000000000000000001"),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_an_unusual_frame_that_holds_is_used(case):
    frames = decode(ACCEPTED[case])
    assert Kind(frames.kind[0]) is Kind.TICKER
    assert frames.event_time_ns[0] == START_NS
    assert len(frames.bid) == 1


@pytest.mark.parametrize("channel", ["l2_data", "subscriptions", "market_trades", "", "TICKER", "неизвестно"])
def test_other_channels_are_counted_and_not_looked_into(channel):
    frames = decode(wire.frame(channel, 3, START_NS, [{"anything": 1}]))
    assert (Kind(frames.kind[0]), frames.sequence_num[0], frames.event_time_ns[0]) == (Kind.OTHER, 3, START_NS)


def test_a_bad_ticker_is_left_out_of_a_frame_whose_others_are_good():
    tickers = [wire.quote(BTC), wire.quote("XRP-USD"), wire.quote(ETH, price="0"), wire.quote(ETH)]
    frames = decode(wire.frame("ticker", 1, START_NS, [{"tickers": tickers[:2]}, {"tickers": tickers[2:]}]))
    assert frames.product.tolist() == [0, 1]
    assert frames.rejected_tickers == [(0, Reject.UNKNOWN_PRODUCT), (0, Reject.PRICE_OUT_OF_RANGE)]
    assert Kind(frames.kind[0]) is Kind.TICKER


def test_numbers_are_those_of_the_text_and_an_absent_quantity_is_unknown():
    frames = decode(quoted(bid="0.1", ask="0.30000000000000004", best_bid_quantity=..., best_ask_quantity="1e"[:1]))
    assert (frames.bid[0], frames.ask[0], frames.ask_quantity[0]) == (0.1, 0.30000000000000004, 1.0)
    assert np.isnan(frames.bid_quantity[0])


def test_without_a_receive_time_it_equals_the_event_time():
    assert decode(GOOD).receive_time_ns.tolist() == [START_NS]
    assert decode(wire.wrap(GOOD, START_NS + 5), layout=Layout.WRAPPED).receive_time_ns.tolist() == [START_NS + 5]


def test_an_empty_batch_is_empty():
    for layout in Layout:
        assert len(decode(layout=layout)) == 0


# Wrapped lines and recorder lines.


def wrapped(**fields):
    return json.dumps({"receive_time_ns": 1, "connection_id": "c1"} | fields).encode()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(wrapped(), Reject.NOT_JSON, id="neither frame nor control"),
        pytest.param(wrapped(control="lunch_break"), Reject.BAD_FIELD, id="unknown control"),
        pytest.param(wrapped(control="connection_opened", connection_id=None), Reject.BAD_FIELD, id="no id"),
        pytest.param(wrapped(frame=GOOD.decode(), connection_id=None), Reject.BAD_FIELD, id="frame without id"),
        pytest.param(wrapped(frame=GOOD.decode(), connection_id=5), Reject.BAD_FIELD, id="id as a number"),
        pytest.param(wrapped(frame=GOOD.decode(), receive_time_ns=-5), Reject.BAD_FIELD, id="negative receive time"),
        pytest.param(wrapped(frame=GOOD.decode(), receive_time_ns=10**30), Reject.BAD_FIELD, id="receive time 1e30"),
        pytest.param(wrapped(frame=GOOD.decode(), receive_time_ns="1"), Reject.BAD_FIELD, id="receive time as text"),
        pytest.param(wrapped(frame={"channel": "ticker"}), Reject.BAD_FIELD, id="frame that is no text"),
        pytest.param(wrapped(frame_base64="!!!"), Reject.NOT_JSON, id="no base64"),
        pytest.param(wrapped(frame_base64="/////w=="), Reject.NOT_UTF8, id="base64 of no UTF-8"),
        pytest.param(GOOD, Reject.BAD_FIELD, id="bare frame among wrapped ones"),
        pytest.param(b'{"receive_time_ns":1,"frame":"{\\"cha', Reject.NOT_JSON, id="torn"),
    ],
)  # fmt: skip
def test_a_bad_wrapped_line_is_rejected_with_its_reason(line, reason):
    good = wire.wrap(GOOD, START_NS)
    frames = decode(good, line, good, layout=Layout.WRAPPED)
    assert [Kind(kind) for kind in frames.kind] == [Kind.TICKER, Kind.REJECTED, Kind.TICKER]
    assert Reject(frames.reason[1]) is reason


def test_control_lines_are_rows_without_ticks():
    names = ("capture_started", "connection_opened", "connection_continued", "capture_stopped")
    frames = decode(*(wire.control(name) for name in names), layout=Layout.WRAPPED)
    assert [Kind(kind) for kind in frames.kind] == [Kind.STARTED, Kind.OPENED, Kind.CONTINUED, Kind.STOPPED]


@pytest.mark.parametrize("reason", list(GapReason))
def test_a_closing_carries_its_reason(reason):
    frames = decode(wire.control("connection_closed", reason=reason), layout=Layout.WRAPPED)
    assert (Kind(frames.kind[0]), frames.reason[0]) == (Kind.CLOSED, reason)


def test_an_unknown_closing_reason_is_a_reconnect():
    frames = decode(wrapped(control="connection_closed", reason="boredom"), layout=Layout.WRAPPED)
    assert (Kind(frames.kind[0]), frames.reason[0]) == (Kind.CLOSED, GapReason.RECONNECT)


def test_recorder_lines_give_frames_by_connection_and_notes():
    lines = [recorder("", kind="header"), recorder(GOOD.decode(), "1"), recorder(GOOD.decode(), "2"), recorder("{")]
    frames = decode(*lines, layout=Layout.RECORDER)
    assert [Kind(kind) for kind in frames.kind] == [Kind.NOTE, Kind.TICKER, Kind.TICKER, Kind.REJECTED]
    assert frames.connection[1] != frames.connection[2]


@pytest.mark.parametrize(
    ("lines", "layout"),
    [
        ([GOOD], Layout.BARE),
        ([wire.wrap(GOOD, 1)], Layout.WRAPPED),
        ([wire.control("capture_started")], Layout.WRAPPED),
        ([recorder("x")], Layout.RECORDER),
        ([b"{", b"\xff", b"[" * 10_000, b'{"a":' * 10_000, b'{"\xff":1}', wire.wrap(GOOD, 1)], Layout.WRAPPED),
        ([b"", b"[]"], Layout.BARE),
        ([], Layout.BARE),
    ],
)
def test_the_layout_is_told_by_the_first_line_that_can_be_read(lines, layout):
    assert detect_layout(lines) is layout


# Batches.


def test_a_heartbeat_of_a_simulated_exchange_marks_the_batch():
    beat = wire.frame("heartbeats", 1, START_NS, [{"heartbeat_counter": 1, "simulated": True}])
    assert decode(GOOD, beat).simulated
    assert not decode(GOOD, wire.heartbeat(1, START_NS)).simulated


def test_any_cut_of_a_batch_gives_the_same_columns():
    lines = [GOOD, *(line for line, _ in REJECTED.values()), *ACCEPTED.values(), wire.heartbeat(9, START_NS)]
    decoder = FrameDecoder((BTC, ETH), LIMIT)
    whole = decoder.decode(lines, Layout.BARE)
    parts = [decoder.decode(lines[i : i + 7], Layout.BARE, first_line=i + 1) for i in range(0, len(lines), 7)]
    joined = concatenate(parts)
    for name in (
        "kind",
        "reason",
        "sequence_num",
        "event_time_ns",
        "line_number",
        "tick_begin",
        "product",
        "bid",
        "ask",
    ):
        assert np.array_equal(getattr(joined, name), getattr(whole, name)), name
    assert joined.rejected_tickers == whole.rejected_tickers
