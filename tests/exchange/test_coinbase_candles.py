"""Bodies of answers with candles, row by row."""

import json
import math

import pytest

from tickvol.exchange.coinbase_candles import ParsedCandles, parse_candles

DAY_S = 1_764_460_800
AT_ROW = {"start": str(DAY_S), "low": "90.1", "high": "94", "open": "91.5", "close": "93.2", "volume": "10.5"}
EX_ROW = [DAY_S, 90.1, 94, 91.5, 93.2, 10.5]


def at_body(*rows: object) -> bytes:
    return json.dumps({"candles": rows}).encode()


def parsed(source, body: bytes) -> ParsedCandles:
    found = parse_candles(source, body)
    assert isinstance(found, ParsedCandles), found
    return found


@pytest.mark.parametrize(
    ("source", "body"), [("advanced_trade", at_body(AT_ROW)), ("exchange", json.dumps([EX_ROW]).encode())]
)
def test_columns_are_read_by_name_or_in_the_order_low_high_open_close(source, body: bytes) -> None:
    found = parsed(source, body)
    (row,) = found.rows
    assert (row.open_time_s, row.open, row.high, row.low, row.close, row.volume) == (
        DAY_S,
        91.5,
        94.0,
        90.1,
        93.2,
        10.5,
    )
    assert (row.rescued, row.faults) == (None, ())
    assert (found.new_fields, found.missing_fields, found.retyped_fields) == ((), (), ())


def test_order_of_the_rows_is_as_received() -> None:
    times = [3, 1, 2, 1]
    assert [
        row.open_time_s for row in parsed("exchange", json.dumps([[t, *EX_ROW[1:]] for t in times]).encode()).rows
    ] == times


@pytest.mark.parametrize("text", ["0.1", "93211.99999999999", "1e-7", "5E3", ".5", "7.", "-3", "+3", "1e308"])
def test_text_is_read_to_the_nearest_double(text: str) -> None:
    assert parsed("advanced_trade", at_body(AT_ROW | {"close": text})).rows[0].close == float(text)


@pytest.mark.parametrize(
    ("text", "value"), [("NaN", math.nan), ("nan", math.nan), ("Infinity", math.inf), ("-inf", -math.inf)]
)
def test_text_of_nan_and_infinity_is_kept_for_the_rules_to_judge(text: str, value: float) -> None:
    close = parsed("advanced_trade", at_body(AT_ROW | {"close": text})).rows[0].close
    assert repr(close) == repr(value)


@pytest.mark.parametrize(
    ("close", "fault"),
    [
        ("1_0", 'close: "1_0": must be a number'),
        (" 1", 'close: " 1": must be a number'),
        ("", 'close: "": must be a number'),
        ("1,5", 'close: "1,5": must be a number'),
        ("0x10", 'close: "0x10": must be a number'),
        ("٣", 'close: "٣": must be a number'),
        (None, "close: null: must be a number"),
        (True, "close: true: must be a number"),
        ({"value": "1"}, "close: object: must be a number"),
        (["1"], "close: array: must be a number"),
    ],
    ids=repr,
)
def test_an_unreadable_value_is_none_with_its_reason_and_touches_nothing_else(close: object, fault: str) -> None:
    found = parsed("advanced_trade", at_body(AT_ROW, AT_ROW | {"close": close}, AT_ROW))
    good, bad, last = found.rows
    assert (bad.close, bad.open, bad.open_time_s, bad.faults) == (None, 91.5, DAY_S, (fault,))
    assert good == last
    assert good.faults == ()


@pytest.mark.parametrize("time", ["1764460800", 1764460800, 1764460800.0, 1764460800000, -5, "-5"])
def test_an_opening_time_is_any_integer(time: object) -> None:
    assert parsed("advanced_trade", at_body(AT_ROW | {"start": time})).rows[0].open_time_s == int(time)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "time", [1.5, "1.5", "", "2026-01-01", None, True, 1 << 63, str(1 << 63), "9" * 30, 1e300], ids=repr
)
def test_an_opening_time_that_is_no_integer_of_64_bits_is_none(time: object) -> None:
    (row,) = parsed("advanced_trade", at_body(AT_ROW | {"start": time})).rows
    assert row.open_time_s is None
    assert row.close == 93.2
    assert "must be an integer of 64 bits" in row.faults[0]


def test_numbers_for_text_and_text_for_numbers_are_read_and_reported() -> None:
    names = ("start", "low", "high", "open", "close", "volume")
    at = parsed("advanced_trade", at_body({name: json.loads(AT_ROW[name]) for name in names}))
    assert (at.rows, at.retyped_fields) == (parsed("advanced_trade", at_body(AT_ROW)).rows, names)
    ex = parsed("exchange", json.dumps([[str(value) for value in EX_ROW]]).encode())
    assert ex.rows == parsed("exchange", json.dumps([EX_ROW]).encode()).rows
    assert ex.retyped_fields == ("time", "low", "high", "open", "close", "volume")


def test_an_undeclared_field_is_rescued_and_reported() -> None:
    found = parsed("advanced_trade", at_body(AT_ROW, AT_ROW | {"vwap": "92", "n": [1]}))
    assert [row.rescued for row in found.rows] == [None, '{"n":[1],"vwap":"92"}']
    assert found.new_fields == ("n", "vwap")
    found = parsed("exchange", json.dumps([[*EX_ROW, 7, "x"]]).encode())
    assert (found.rows[0].rescued, found.new_fields) == ('{"6":7,"7":"x"}', ("6", "7"))


def test_a_missing_field_is_reported_and_costs_its_value_alone() -> None:
    found = parsed("exchange", json.dumps([EX_ROW, EX_ROW[:5]]).encode())
    assert (found.rows[1].volume, found.rows[1].close, found.rows[1].faults) == (None, 93.2, ("volume: missing",))
    assert found.missing_fields == ("volume",)


@pytest.mark.parametrize("row", [None, 7, "x", [1, 2], []])
def test_a_row_that_is_no_row_touches_only_itself(row: object) -> None:
    found = parsed("advanced_trade", at_body(AT_ROW, row))
    assert found.rows[0].close == 93.2
    assert (found.rows[1].open_time_s, found.rows[1].faults[0].startswith("row: ")) == (None, True)


def test_a_number_beyond_float64_touches_only_itself() -> None:
    body = json.dumps([EX_ROW, EX_ROW]).replace("93.2", "1e999", 1).encode()
    assert [row.close for row in parsed("exchange", body).rows] == [math.inf, 93.2]
    body = json.dumps([EX_ROW, EX_ROW]).replace("93.2", "1" + "0" * 400, 1).encode()
    assert [row.close for row in parsed("exchange", body).rows] == [math.inf, 93.2]


def test_the_fingerprint_follows_names_and_types_and_nothing_else() -> None:
    usual = parsed("advanced_trade", at_body(AT_ROW)).fingerprint
    assert parsed("advanced_trade", at_body(AT_ROW | {"close": "1"}, AT_ROW)).fingerprint == usual
    others = [
        at_body(AT_ROW | {"close": 1}),
        at_body(AT_ROW | {"close": None}),
        at_body(AT_ROW | {"vwap": "1"}),
        at_body({name: value for name, value in AT_ROW.items() if name != "low"}),
        at_body(AT_ROW, None),
    ]
    fingerprints = {parsed("advanced_trade", body).fingerprint for body in others}
    assert len(fingerprints | {usual}) == 6
    assert parsed("advanced_trade", at_body()).fingerprint == ""


@pytest.mark.parametrize(
    ("source", "body", "reason"),
    [
        ("exchange", b"<!DOCTYPE html><html></html>", "an HTML page instead of JSON"),
        ("exchange", b"[[1764460800,90.1", "not JSON: Input data was truncated"),
        ("exchange", b"", "not JSON: Input data was truncated"),
        ("exchange", b"[[1,NaN,1,1,1,1]]", "not JSON: "),
        ("exchange", b"[[1,1e999,1,1,NaN,1]]", "not JSON: "),
        ("exchange", b"\xff\xfe[\x00]\x00", "not JSON: "),
        ("exchange", b'[[1,"\xff"]]', "not JSON: "),
        ("exchange", b'[[1e999,"\\ud800"]]', "not JSON: "),
        ("exchange", b"[" * 100_000, "not candles: nested too deeply"),
        ("exchange", b'{"message":"NotFound"}', "an error object instead of candles: NotFound"),
        ("exchange", b'{"candles":[]}', "candles: object: must be an array"),
        ("exchange", b"null", "candles: null: must be an array"),
        ("exchange", b"7", "candles: number: must be an array"),
        ("advanced_trade", b"[]", "candles: array: must be an array"),
        ("advanced_trade", b'{"candles":null}', "candles: null: must be an array"),
        ("advanced_trade", b'{"candles":{}}', "candles: object: must be an array"),
        ("advanced_trade", b'{"candle":[]}', "candles: object: must be an array"),
        (
            "advanced_trade",
            b'{"error":"INTERNAL","message":"a\\nb"}',
            "an error object instead of candles: INTERNAL: a b",
        ),
    ],
)
def test_a_body_without_a_list_of_candles_is_a_reason(source, body: bytes, reason: str) -> None:
    found = parse_candles(source, body)
    assert isinstance(found, str)
    assert found.startswith(reason)
    assert found.isprintable()
    assert len(found) < 300


def test_a_long_message_is_cut() -> None:
    assert len(str(parse_candles("exchange", json.dumps({"message": "x" * 10_000}).encode()))) < 300
