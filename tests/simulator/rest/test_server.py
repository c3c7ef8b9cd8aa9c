"""The server on the wire: bytes, connections, the log, rate limits and which requests a fault hits."""

import socket
import threading
import time

import pytest

from tests.simulator.rest.markets import MARKET, NOW_S, SOURCES, client, day_s, exchange, fetched, get
from tickvol.core.errors import UsageError
from tickvol.exchange.http import HttpClient, HttpRules
from tickvol.simulator.rest.fault_kinds import KINDS
from tickvol.simulator.rest.fault_plan import FaultPlan
from tickvol.simulator.rest.faults import Fault, FaultRates
from tickvol.simulator.rest.limits import RateLimit
from tickvol.simulator.rest.request_log import RequestLog

TARGETS = [
    f"/products/BTC-USD/candles?granularity=86400&start={day_s(0)}&end={day_s(number)}" for number in range(0, 60, 2)
] + ["/products/BTC-USD/book?level=2", "/products/ETH-USD/trades?limit=5", "/api/v3/brokerage/market/products"]


def on_the_wire(server, *targets: str) -> bytes:
    """All bytes that one connection receives for some requests; it ends with the last answer."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        for number, target in enumerate(targets):
            end = "Connection: close\r\n" if number == len(targets) - 1 else ""
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n{end}\r\n".encode())
        received = b""
        while part := connection.recv(1 << 16):
            received += part
        return received


def test_the_same_seed_and_faults_give_the_same_bytes() -> None:
    rates = FaultRates(5, 0.4, ("429", "shuffled", "duplicates", "502", "new-field"))
    first, second = [], []
    for found in (first, second):
        with exchange(faults=rates) as server:
            found += [on_the_wire(server, target) for target in TARGETS]
    assert first == second
    with exchange(faults=FaultRates(6, 0.4, rates.kinds)) as server:
        assert [on_the_wire(server, target) for target in TARGETS] != first


def test_a_connection_serves_many_requests() -> None:
    with exchange() as server:
        assert on_the_wire(server, *TARGETS).count(b"HTTP/1.1 200 OK") == len(TARGETS)


def test_head_and_body_arrive_in_one_segment() -> None:
    with exchange() as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"GET /time HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(1 << 16).endswith(b'"epoch":1770206400.0}')


def test_a_server_with_open_and_waiting_connections_stops() -> None:
    with exchange(faults=[Fault("no-answer", for_s=500.0)]) as server:
        host, port = server.url.removeprefix("http://").split(":")
        waiting = [socket.create_connection((host, int(port)), timeout=10) for _ in range(2)]
        waiting[0].sendall(b"GET /time HTTP/1.1\r\nHost: x\r\n\r\n")
        while not server.log.requests:
            time.sleep(0.01)
    for connection in waiting:
        with connection:
            assert connection.recv(1) == b""


def test_the_log_has_every_request_and_its_answer(tmp_path) -> None:
    path = tmp_path / "requests.ndjson"
    with exchange(faults=["reset"], log=RequestLog(path)) as server:
        fetched(server, "exchange", 3, 5)
        get(server, "/time")
    reset, whole, plain = server.log.requests
    assert (reset.status, reset.rows, reset.faults) == (0, 0, ("reset",))
    assert (whole.status, whole.rows, whole.faults) == (200, 3, ())
    assert (whole.product_id, whole.window_s, whole.time_s) == ("BTC-USD", (day_s(3), day_s(5)), NOW_S)
    assert (plain.path, plain.window_s, plain.no_cache, whole.no_cache) == ("/time", None, False, True)
    lines = path.read_text().splitlines()
    assert len(lines) == 3
    assert '"faults":["reset"]' in lines[0]


def test_other_methods_are_not_answered() -> None:
    with exchange() as server, HttpClient(HttpRules.one_attempt(5.0)) as http:
        assert http.request("POST", f"{server.url}/time", content=b"").status == 501


def test_the_limit_is_a_bucket_of_15_that_fills_at_10_a_second() -> None:
    now_s = 0.0
    limit = RateLimit(clock=lambda: now_s)
    assert [limit.admits() for _ in range(17)] == [True] * 15 + [False] * 2
    now_s = 0.25
    assert [limit.admits() for _ in range(3)] == [True] * 2 + [False]
    now_s = 100.0
    assert sum(limit.admits() for _ in range(50)) == 15


def test_a_limited_answer_has_the_words_of_the_api_and_no_header() -> None:
    with exchange(limit=RateLimit(burst=0)) as server, HttpClient(HttpRules.one_attempt(5.0)) as http:
        response = http.request("GET", f"{server.url}/products")
        assert (response.status, response.body) == (429, b'{"message":"Public rate limit exceeded"}')
        assert "retry-after" not in response.headers
        assert not [name for name in response.headers if "ratelimit" in name]
        assert get(server, "/api/v3/brokerage/market/products")[1]["message"] == "Public rate limit exceeded"


def test_most_in_a_second_counts_by_a_sliding_window() -> None:
    with exchange() as server:
        assert server.log.most_in_a_second() == 0
        for _ in range(7):
            get(server, "/time")
    spread = max(request.arrived_s for request in server.log.requests) - server.log.requests[0].arrived_s
    assert server.log.most_in_a_second() == 7 or spread >= 1


def hit(faults, targets: list[str]) -> list[tuple[str, ...]]:
    with exchange(faults=faults) as server, HttpClient(HttpRules.one_attempt(5.0)) as http:
        for target in targets:
            http.request("GET", server.url + target)
    return [request.faults for request in server.log.requests]


def test_a_scripted_fault_hits_by_number_product_path_and_day() -> None:
    window = "/products/{}/candles?granularity=86400&start={}&end={}"
    targets = [
        window.format("BTC-USD", day_s(0), day_s(4)),
        window.format("ETH-USD", day_s(0), day_s(4)),
        window.format("BTC-USD", day_s(5), day_s(9)),
        window.format("BTC-USD", day_s(4), day_s(5)),
        "/products/BTC-USD/ticker",
    ]
    assert hit([Fault("500", nth=2)], targets) == [(), ("500",), (), (), ()]
    assert hit([Fault("500", nth=3, times=2)], targets) == [(), (), ("500",), ("500",), ()]
    assert hit([Fault("500", nth=4, times=0)], targets) == [(), (), (), ("500",), ("500",)]
    assert hit([Fault("500", times=0, product_id="ETH-USD")], targets) == [(), ("500",), (), (), ()]
    assert hit([Fault("500", times=0, path="/ticker")], targets) == [(), (), (), (), ("500",)]
    assert hit([Fault("500", times=0, at_s=day_s(4))], targets) == [("500",), ("500",), (), ("500",), ()]
    assert hit([Fault("empty", times=0)], targets)[-1] == ()


def test_several_faults_may_hit_one_answer() -> None:
    with exchange(faults=["outside-window", "oldest-first", "new-field", "gzip"]) as server:
        found = fetched(server, "advanced_trade").candles
    assert [row.open_time_s for row in found.rows] == [day_s(number) for number in range(7, 18)]
    assert found.new_fields == ("vwap",)


def test_rates_hit_their_share_of_the_requests_for_candles_and_pass_in_the_end() -> None:
    rates = FaultRates(1, 0.3, ("429", "500", Fault("missing", row=0)))
    target = f"/products/BTC-USD/candles?granularity=86400&start={day_s(0)}&end={day_s(1)}"
    found = hit(rates, [target] * 300 + ["/time"] * 20)
    assert 60 < sum(bool(faults) for faults in found[:300]) < 120
    assert {faults[0] for faults in found if faults} == {"429", "500", "missing"}
    assert set(found[300:]) == {()}


def test_a_draw_does_not_depend_on_other_requests_or_threads() -> None:
    rates = FaultRates(2, 0.5, ("429", "500"))
    targets = TARGETS[:20]

    def by_target(order: list[list[str]]) -> dict[str, list[tuple[str, ...]]]:
        with exchange(faults=rates) as server:

            def ask(some: list[str]) -> None:
                with HttpClient(HttpRules.one_attempt(10.0)) as http:
                    for target in some:
                        http.request("GET", server.url + target)

            threads = [threading.Thread(target=ask, args=(some,)) for some in order]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        found: dict[str, list[tuple[str, ...]]] = {}
        for request in server.log.requests:
            found.setdefault(request.query["end"], []).append(request.faults)
        return found

    assert (
        by_target([targets + targets])
        == by_target([targets[::-1] * 2])
        == by_target([targets[::2] * 2, targets[1::2] * 2])
    )


def test_a_share_of_its_own_for_each_fault() -> None:
    found = hit([Fault("500", share=0.5), Fault("502", share=0.2)], ["/time"] * 200)
    assert 70 < sum("500" in faults for faults in found) < 130
    assert 20 < sum("502" in faults for faults in found) < 65


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="fault 'explode': must be one of 429, "):
        FaultPlan(["explode"])
    with pytest.raises(UsageError, match="fault 'explode'"):
        FaultPlan(FaultRates(1, 0.5, ("500", "explode")))


def test_two_servers_differ_for_a_check_across_sources() -> None:
    with exchange() as one, exchange(faults=[Fault("zero", times=0)]) as other:
        bars = [fetched(server, "exchange").candles.rows for server in (one, other)]
    assert [row.close for row in bars[0]] != [row.close for row in bars[1]]


def test_every_kind_of_fault_has_a_description() -> None:
    assert len(KINDS) == 59
    assert all(kind.about and kind.paths for kind in KINDS.values())


@pytest.mark.parametrize("source", SOURCES)
def test_every_kind_of_fault_that_touches_candles_ends_in_an_answer(source) -> None:
    kinds = [name for name, kind in KINDS.items() if "" in kind.paths or "/candles" in kind.paths]
    for kind in kinds:
        with exchange(faults=[Fault(kind, times=0, for_s=0.0)]) as server, client(server, source) as coinbase:
            answer = coinbase.candles("BTC-USD", 86_400, day_s(0), day_s(3))
        assert answer.outcome in ("ok", "empty", "failed", "refused")
        assert (answer.error is None) == (answer.outcome in ("ok", "empty"))
    assert MARKET.products[0] == "BTC-USD"
