"""The client of both REST APIs against a local exchange: windows, requests, and the outcome of every fault."""

import math
import time
from dataclasses import replace

import pytest

from tests.exchange.clients import Clock
from tests.simulator.rest.markets import (
    DAY_S,
    MARKET,
    NOW_S,
    RULES,
    SOURCES,
    bar,
    client,
    day_s,
    exchange,
    fetched,
)
from tickvol.core.errors import UsageError
from tickvol.exchange.coinbase_rest import GRANULARITIES, CoinbaseRest
from tickvol.exchange.pacing import TokenBucket
from tickvol.simulator.rest.faults import Fault
from tickvol.simulator.rest.limits import RateLimit

both = pytest.mark.parametrize("source", SOURCES)


def numbers(answer) -> list[int]:
    """Numbers of the days in an answer, as received."""
    return [(row.open_time_s - day_s(0)) // DAY_S for row in answer.candles.rows]


@both
def test_both_ends_of_a_window_are_in_the_answer_newest_first(source) -> None:
    with exchange() as server:
        answer = fetched(server, source, 10, 14)
    assert (answer.outcome, answer.error, answer.http_status, answer.attempts) == ("ok", None, 200, 1)
    assert numbers(answer) == [14, 13, 12, 11, 10]
    for row, number in zip(answer.candles.rows, numbers(answer), strict=True):
        assert (row.open, row.high, row.low, row.close, row.volume) == bar(number)
    assert (answer.window_start_s, answer.window_end_s) == (day_s(10), day_s(14))
    assert (answer.requested_at_us, answer.received_at_us) == (NOW_S * 1e6, NOW_S * 1e6)


@both
def test_the_largest_window_is_answered_whole_and_a_larger_one_not_asked(source) -> None:
    with exchange(refuses_350=True) as server, client(server, source) as coinbase:
        most = coinbase.max_candles
        assert len(coinbase.candles("BTC-USD", DAY_S, day_s(0), day_s(most - 1)).candles.rows) == most
        with pytest.raises(UsageError, match=f"{most + 1} candles .* returns at most {most}"):
            coinbase.candles("BTC-USD", DAY_S, day_s(0), day_s(most))
    assert len(server.log.requests) == 1
    assert most >= 250


@both
@pytest.mark.parametrize(
    ("granularity_s", "start_s", "end_s", "says"),
    [
        (DAY_S, DAY_S, 0, "end_s: 0: must not precede"),
        (120, 0, 0, "granularity_s: 120: .* must be asked for one of 60,"),
    ],
)
def test_a_window_that_no_api_has_is_not_asked(source, granularity_s: int, start_s: int, end_s: int, says: str) -> None:
    with exchange() as server, client(server, source) as coinbase, pytest.raises(UsageError, match=says):
        coinbase.candles("BTC-USD", granularity_s, start_s, end_s)
    assert server.log.requests == ()


@both
def test_every_granularity_is_understood(source) -> None:
    with exchange() as server, client(server, source) as coinbase:
        for seconds in GRANULARITIES[source]:
            answer = coinbase.candles("BTC-USD", seconds, day_s(10), day_s(10) + 2 * seconds)
            assert len(answer.candles.rows) == 3, answer


def test_requests_are_as_documented() -> None:
    with exchange() as server:
        for source in SOURCES:
            fetched(server, source, 0, 1)
    at, ex = server.log.requests
    assert at.path == "/api/v3/brokerage/market/products/BTC-USD/candles"
    assert at.query == {"start": str(day_s(0)), "end": str(day_s(1)), "granularity": "ONE_DAY"}
    assert ex.path == "/products/BTC-USD/candles"
    assert ex.query == {"granularity": "86400", "start": "2025-01-01T00:00:00Z", "end": "2025-01-02T00:00:00Z"}
    assert at.no_cache
    assert ex.no_cache


def test_a_product_id_is_quoted_and_a_base_url_may_name_the_path() -> None:
    with exchange() as server:
        url = f"{server.url}/api/v3/brokerage/market/"
        with CoinbaseRest("advanced_trade", base_url=url, rules=RULES) as coinbase:
            assert coinbase.candles("BTC-USD", DAY_S, day_s(0), day_s(0)).outcome == "ok"
            assert coinbase.candles("../x?y", DAY_S, 0, 0).http_status == 404
    assert server.log.requests[1].path.startswith("/api/v3/brokerage/market/products/../x?y")


@both
@pytest.mark.parametrize("url", ["api.coinbase.com", "ftp://host", "file:///etc"])
def test_a_base_url_must_be_http(source, url: str) -> None:
    with pytest.raises(UsageError, match=r"base_url: .* must begin with https://"):
        CoinbaseRest(source, base_url=url, rules=RULES)


def test_an_unknown_product_is_refused_with_the_words_of_the_api() -> None:
    with exchange() as server:
        found = []
        for source in SOURCES:
            with client(server, source) as coinbase:
                found.append(coinbase.candles("NOPE-USD", DAY_S, day_s(0), day_s(1)))
    at, ex = found
    assert at.body == b'{"error":"NOT_FOUND","message":"Product NOPE-USD not supported"}'
    assert at.error == "404 Not Found: NOT_FOUND: Product NOPE-USD not supported"
    assert ex.body == b'{"message":"NotFound"}'
    assert (at.outcome, ex.outcome, at.attempts, ex.attempts) == ("refused", "refused", 1, 1)


@both
def test_a_window_before_the_listing_is_empty(source) -> None:
    with exchange() as server, client(server, source) as coinbase:
        answer = coinbase.candles("ETH-USD", DAY_S, day_s(0), day_s(99))
        assert (answer.outcome, answer.error, answer.candles.rows, answer.http_status) == ("empty", None, (), 200)
        assert len(coinbase.candles("ETH-USD", DAY_S, day_s(0), day_s(101)).candles.rows) == 2


RETRIED = ["429", "429-retry-after", "429-retry-date", "500", "502", "503", "504", "hang-up", "reset", "truncated"]


@both
@pytest.mark.parametrize("kind", RETRIED)
def test_a_fault_that_may_pass_is_retried(source, kind: str) -> None:
    with exchange(faults=[Fault(kind, times=2)]) as server:
        answer = fetched(server, source)
    assert (answer.outcome, answer.attempts, numbers(answer)) == ("ok", 3, [14, 13, 12, 11, 10])
    assert [request.faults for request in server.log.requests] == [(kind,), (kind,), ()]


SLOW = [
    Fault("no-answer", for_s=9.0),
    Fault("long-length", for_s=9.0),
    Fault("trickle", for_s=0.1),
    Fault("delay", for_s=9.0),
]


@pytest.mark.parametrize("fault", SLOW, ids=lambda fault: fault.kind)
def test_an_answer_that_takes_too_long_is_retried(fault: Fault) -> None:
    with exchange(faults=[fault]) as server:
        answer = fetched(server, "exchange", timeout_s=1.0)
    assert (answer.outcome, answer.attempts) == ("ok", 2)


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        (Fault("429", times=0), 429, "429 Too Many Requests"),
        (Fault("500", times=0), 500, "500 Internal Server Error"),
        (Fault("503", times=0), 503, "503 Service Unavailable"),
        (Fault("hang-up", times=0), 0, "Server disconnected"),
        (Fault("reset", times=0), 0, "reset"),
        (Fault("truncated", times=0), 200, "without sending complete message body"),
        (Fault("no-answer", for_s=9.0, times=0), 0, "no answer within 0.5 s"),
        (Fault("trickle", for_s=0.1, times=0), 200, "no answer within 0.5 s"),
        (Fault("long-length", for_s=9.0, times=0), 200, "no answer within 0.5 s"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
def test_a_fault_that_stays_fails_with_the_last_status_and_reason(fault: Fault, status: int, error: str) -> None:
    with exchange(faults=[fault]) as server:
        answer = fetched(server, "exchange", max_attempts=2, timeout_s=5.0 if fault.for_s is None else 0.5)
    assert (answer.outcome, answer.http_status, answer.attempts, answer.candles) == ("failed", status, 2, None)
    assert answer.error is not None
    assert error in answer.error


def test_the_last_body_of_a_failure_is_kept() -> None:
    with exchange(faults=[Fault("429", times=2), Fault("503", nth=3)]) as server:
        assert b"<html>" in fetched(server, "exchange").body
    with exchange(faults=[Fault("429", times=0)]) as server:
        assert fetched(server, "exchange").body == b'{"message":"Public rate limit exceeded"}'


@both
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("error-object", "an error object instead of candles: Internal server error"),
        ("html", "an HTML page instead of JSON"),
        ("half-json", "not JSON: "),
        ("bad-utf8", "not JSON: "),
        ("null-candles", "candles: null: must be an array"),
        ("redirect", "302 Found: redirects are not followed"),
    ],
)
def test_an_answer_without_candles_fails_after_one_attempt(source, kind: str, error: str) -> None:
    with exchange(faults=[kind]) as server:
        answer = fetched(server, source)
    assert (answer.outcome, answer.attempts, answer.candles) == ("failed", 1, None)
    assert answer.error is not None
    assert answer.error.startswith(error)
    assert bool(answer.body) == (kind != "redirect")


def test_a_redirect_reaches_no_other_host() -> None:
    with exchange() as other, exchange(faults=[Fault("redirect", to=f"{other.url}/")]) as server:
        fetched(server, "exchange")
    assert other.log.requests == ()


@both
@pytest.mark.parametrize(("kind", "status"), [("400", 400), ("401", 401), ("403", 403), ("404", 404)])
def test_a_refusal_is_not_retried(source, kind: str, status: int) -> None:
    with exchange(faults=[Fault(kind, times=0)]) as server:
        answer = fetched(server, source)
    assert (answer.outcome, answer.http_status, answer.attempts) == ("refused", status, 1)
    assert answer.error is not None
    assert answer.error.startswith(f"{status} ")
    assert ": " in answer.error


@both
@pytest.mark.parametrize("kind", ["gzip", "wrong-charset"])
def test_an_unusual_encoding_changes_nothing(source, kind: str) -> None:
    with exchange() as server:
        usual = fetched(server, source)
    with exchange(faults=[kind]) as server:
        answer = fetched(server, source)
    assert (answer.outcome, answer.candles, answer.body) == ("ok", usual.candles, usual.body)


@both
@pytest.mark.parametrize(
    ("kind", "received"),
    [
        ("empty", []),
        ("oldest-first", [10, 11, 12, 13, 14]),
        ("duplicates", [14, 14, 13, 12, 11, 11, 10]),
        ("duplicates-differ", [14, 14, 13, 13, 12, 12, 11, 11, 10, 10]),
        ("outside-window", [17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7]),
        ("missing", [14, 13, 11, 10]),
    ],
)
def test_rows_are_kept_as_they_come(source, kind: str, received: list[int]) -> None:
    with exchange(faults=[kind]) as server:
        answer = fetched(server, source)
    assert answer.outcome == ("ok" if received else "empty")
    assert numbers(answer) == received


@both
def test_shuffled_rows_are_all_there_in_another_order(source) -> None:
    with exchange(faults=["shuffled"]) as server:
        found = numbers(fetched(server, source))
    assert found != sorted(found, reverse=True)
    assert sorted(found) == [10, 11, 12, 13, 14]


@both
def test_duplicates_may_differ_in_value(source) -> None:
    with exchange(faults=["duplicates-differ"]) as server:
        first, second, *_ = fetched(server, source).candles.rows
    assert first.close == bar(14)[3] != second.close == bar(14)[2]


@both
@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("negative", {"close": -bar(12)[3]}),
        ("zero", {"close": 0.0}),
        ("huge", {"close": 1e308}),
        ("high-below-low", {"high": bar(12)[2], "low": bar(12)[1]}),
        ("misaligned", {"open_time_s": day_s(12) + 7}),
    ],
)
def test_a_bad_value_stays_in_its_row(source, kind: str, changed: dict[str, float]) -> None:
    with exchange() as server:
        usual = fetched(server, source).candles.rows
    with exchange(faults=[kind]) as server:
        rows = fetched(server, source).candles.rows
    assert rows == (*usual[:2], replace(usual[2], **changed), *usual[3:])


def test_nan_is_text_in_advanced_trade_and_no_json_in_exchange() -> None:
    for kind, is_it in (("nan", math.isnan), ("infinity", math.isinf)):
        with exchange(faults=[Fault(kind, times=0)]) as server:
            at, ex = (fetched(server, source) for source in SOURCES)
        assert [is_it(row.close) for row in at.candles.rows] == [False, False, True, False, False]
        assert (ex.outcome, ex.candles) == ("failed", None)


@both
def test_times_are_not_judged(source) -> None:
    with exchange(faults=["ms-times", Fault("future", nth=2)]) as server:
        in_ms = fetched(server, source).candles.rows
        ahead = fetched(server, source).candles.rows
    assert [row.open_time_s for row in in_ms] == [day_s(number) * 1000 for number in (14, 13, 12, 11, 10)]
    assert day_s(399 + 30) in [row.open_time_s for row in ahead]


@both
@pytest.mark.parametrize(
    ("kind", "new", "missing", "retyped"),
    [
        ("new-field", True, False, False),
        ("missing-field", False, True, False),
        ("retyped-field", False, False, True),
        ("swapped-types", False, False, True),
    ],
)
def test_a_change_of_the_schema_is_reported(source, kind: str, new: bool, missing: bool, retyped: bool) -> None:
    with exchange() as server:
        usual = fetched(server, source).candles
    with exchange(faults=[kind]) as server:
        found = fetched(server, source).candles
    assert (bool(found.new_fields), bool(found.missing_fields), bool(found.retyped_fields)) == (new, missing, retyped)
    assert found.fingerprint != usual.fingerprint
    assert [row.open for row in found.rows] == [row.open for row in usual.rows]
    lost = {"missing-field": "volume", "retyped-field": "close"}.get(kind)
    assert all((getattr(row, name) is None) == (name == lost) for row in found.rows for name in ("close", "volume"))


def test_a_renamed_field_is_a_new_and_a_missing_one() -> None:
    with exchange(faults=[Fault("renamed-field", times=0)]) as server:
        at, ex = (fetched(server, source).candles for source in SOURCES)
    assert (at.new_fields, at.missing_fields) == (("closing",), ("close",))
    assert at.rows[0].rescued == '{"closing":"101"}'
    assert {row.faults for row in ex.rows} == {("row: object: must be an array",)}


def test_retry_after_is_waited_for_and_counts_from_the_clock_where_it_is_a_date() -> None:
    for kind in ("429-retry-after", "429-retry-date"):
        clock = Clock()
        with (
            exchange(faults=[Fault(kind, retry_after_s=9)]) as server,
            client(server, "exchange", clock=clock, sleep=clock.sleep) as coinbase,
        ):
            assert coinbase.candles("BTC-USD", DAY_S, day_s(0), day_s(1)).outcome == "ok"
        assert clock.waits == [9.0]


def test_times_of_the_answer_are_those_of_the_last_attempt() -> None:
    moments = iter(range(1000, 2000))
    with (
        exchange(faults=["500"]) as server,
        client(server, "exchange", now_s=lambda: float(next(moments))) as coinbase,
    ):
        answer = coinbase.candles("BTC-USD", DAY_S, day_s(0), day_s(1))
    assert answer.attempts == 2
    assert 1_002_000_000 <= answer.requested_at_us < answer.received_at_us


def test_a_host_that_is_not_there_fails() -> None:
    with exchange() as server:
        url = server.url
    with CoinbaseRest("exchange", base_url=url, rules=RULES, sleep=lambda _: None) as coinbase:
        answer = coinbase.candles("BTC-USD", DAY_S, 0, 0)
    assert (answer.outcome, answer.http_status, answer.attempts, answer.body) == ("failed", 0, 3, b"")
    assert answer.error is not None
    assert "ConnectionRefusedError" in answer.error


def test_clients_that_share_a_bucket_never_meet_the_limit() -> None:
    bucket = TokenBucket(5, 8)
    with (
        exchange(limit=RateLimit()) as server,
        client(server, "exchange", sleep=time.sleep, pacing=bucket) as ex,
        client(server, "advanced_trade", sleep=time.sleep, pacing=bucket) as at,
    ):
        answers = [api.candles("BTC-USD", DAY_S, day_s(0), day_s(1)) for _ in range(7) for api in (ex, at)]
    assert {answer.attempts for answer in answers} == {1}
    assert server.log.most_in_a_second() <= 10


def test_a_client_without_pacing_meets_the_limit() -> None:
    now_s = 0.0
    with exchange(limit=RateLimit(clock=lambda: now_s)) as server:
        answers = [fetched(server, "exchange", max_attempts=1) for _ in range(17)]
        now_s = 1.0
        answers += [fetched(server, "exchange", max_attempts=1) for _ in range(11)]
    assert [answer.http_status for answer in answers] == [200] * 15 + [429] * 2 + [200] * 10 + [429]


def test_the_current_day_grows_and_then_ends() -> None:
    with exchange(now_s=float(day_s(20) + 3_600)) as server:
        (early,) = fetched(server, "exchange", 20, 21).candles.rows
        server.now_s += 3_600
        (later,) = fetched(server, "exchange", 20, 21).candles.rows
        server.now_s = float(day_s(21) - 1)
        (last,) = fetched(server, "exchange", 20, 21).candles.rows
        server.now_s = float(day_s(21))
        newest, whole = fetched(server, "exchange", 20, 21).candles.rows
    assert early.volume < later.volume < last.volume < whole.volume
    assert (whole.open, whole.high, whole.low, whole.close, whole.volume) == bar(20)
    assert (newest.open_time_s, newest.volume, newest.open) == (day_s(21), 0.0, bar(21)[0])
    assert early.high <= later.high <= last.high <= whole.high
    assert MARKET.products == ("BTC-USD", "ETH-USD")
