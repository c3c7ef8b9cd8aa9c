"""The feed failing in every way: noticed, recorded as a gap with exact bounds, and soon there again."""

import random
import socket
import threading
import time
from itertools import pairwise

import pytest

from tests.capture.certificates import self_signed
from tests.faults import figures
from tests.faults.exchange import UnrulyExchange
from tests.faults.line import PRODUCTS, wait_for
from tests.faults.received import archive_lines, controls
from tickvol.core.records import Gap

pytestmark = pytest.mark.kafka

SILENCE_S, DATA_AGAIN_S = 5.0, 3.0
NOISE_S = 0.5
"""What a busy machine may add."""
EVENTS, CALM_EVENTS = 20, 110
"""Half a second of the market, and enough of it for bars that are known."""


class Faults:
    """One capture against one exchange, a fault after the other.

    Attributes
    ----------
    returns : (what happened, moment in ns from which on data could flow again).
    noticed : (what happened, moment in ns of the last sign of life).
    """

    def __init__(self, line, exchange, other_certificate):
        self.line, self.exchange, self.other_certificate = line, exchange, other_certificate
        self.returns, self.noticed = [], []

    def settle(self, connection, events=EVENTS):
        """Wait until a connection from this one on has delivered."""
        wait_for(lambda: self.exchange.heard(connection) >= events, 30, "data again")

    def closed(self, code):
        before = self.exchange.connections
        self.exchange.close(code)
        self.returns.append((f"close {code}", time.time_ns()))
        self.settle(before)

    def broken(self, name):
        before = self.exchange.connections
        getattr(self.exchange, name)()
        self.returns.append((name, time.time_ns()))
        self.settle(before)

    def jump(self, count):
        said = len(self.exchange.said)
        self.exchange.jump(count)
        wait_for(lambda: len(self.exchange.said) > said + count + EVENTS, 30, "events after the jump")

    def silence(self):
        before = self.exchange.connections
        self.exchange.fall_silent()
        self.noticed.append(("silence", time.time_ns()))
        self.settle(before)

    def no_answer(self):
        before = self.exchange.connections
        self.exchange.ignore_subscriptions(on=True)
        self.exchange.close(1012)
        wait_for(lambda: self.exchange.connections > before, 30, "another connection")
        self.noticed.append(("no answer to subscribe", time.time_ns()))
        self.exchange.ignore_subscriptions(on=False)
        self.settle(before + 1)

    def refused(self, seconds):
        before = self.exchange.connections
        self.returns.append((f"refused for {seconds:g} s", self.exchange.refuse(seconds)))
        self.settle(before)

    def bad_certificate(self, seconds):
        before = self.exchange.connections
        back = self.exchange.show_other_certificate(seconds, *self.other_certificate)
        self.returns.append((f"bad certificate for {seconds:g} s", back))
        self.settle(before)


def play(line, tmp_path, title, acts):
    """All acts against one capture with publisher and featurizer; then everything is counted."""
    trusted = self_signed(tmp_path / "trusted")
    with UnrulyExchange(*trusted) as exchange:
        featurizer = line.featurizer()
        capture = line.ingestor(exchange.url, environment={"SSL_CERT_FILE": str(trusted[0])})
        faults = Faults(line, exchange, self_signed(tmp_path / "other"))
        faults.settle(0, CALM_EVENTS)
        for act, *arguments in acts:
            getattr(faults, act)(*arguments)
        faults.settle(exchange.connections - 1, CALM_EVENTS)
        line.end(capture)
    if any(act == "bad_certificate" for act, *_ in acts):
        assert "certificate verify failed" in capture.log.read_text().lower()
    wait_for(lambda: line.lag() == 0, 60, "featurized")
    line.end(featurizer)
    twice, rows = line.check_all()
    gaps = check_gaps(line, exchange)
    silence_s, again_s = silences(line, faults), recoveries(line, faults)
    assert max(silence_s, default=0) <= SILENCE_S + NOISE_S
    assert max(again_s) <= DATA_AGAIN_S + NOISE_S
    assert busiest_second(exchange.accepted) <= 8
    figures.record(
        title,
        repetitions=len(acts),
        records=line.records,
        twice=twice,
        recovery_s=max(again_s),
        noticed_s=round(max(silence_s, default=0), 2),
        gaps=gaps,
        rows=rows,
    )


def check_gaps(line, exchange):
    """The gap records of the log are those that the exchange's own account demands; their number."""
    reasons = [item["reason"] for item in controls(line.raw_dir) if item["control"] == "connection_closed"]
    found = line.published()
    total = 0
    for product_id in PRODUCTS:
        gaps = [record for record in found[product_id] if isinstance(record, Gap)]
        expected = expected_gaps(exchange.said, product_id, reasons)
        assert gaps == expected
        heard = [said for said in exchange.said if said.product_id == product_id and said.connection is not None]
        for said in exchange.said:
            if said.product_id != product_id or not heard[0].time_ns < said.time_ns < heard[-1].time_ns:
                continue
            inside = any(gap.from_time_ns < said.time_ns < gap.to_time_ns for gap in gaps)
            assert inside == (said.connection is None), said
        total += len(gaps)
    return total


def expected_gaps(said, product_id, reasons):
    """From the last event that a connection gave to the product's first tick on another, and around lost numbers."""
    heard = [event for event in said if event.connection is not None]
    gaps, carrier = [], None
    for before, event in pairwise([None, *heard]):
        same = before is not None and before.connection == event.connection
        if same and carrier == event.connection and event.sequence_num > before.sequence_num + 1:
            first, last = before.sequence_num + 1, event.sequence_num - 1
            gaps.append(Gap(product_id, before.time_ns, event.time_ns, "jump", first, last))
        if event.product_id == product_id and carrier != event.connection:
            if carrier is not None:
                until = max(other.time_ns for other in heard if other.connection == carrier)
                gaps.append(Gap(product_id, until, event.time_ns, reasons[carrier]))
            carrier = event.connection
    return gaps


def recoveries(line, faults):
    """Seconds from each return, and from each silence that was noticed, to the first frame of the archive after it."""
    frames = [item["receive_time_ns"] for _, _, item in archive_lines(line.raw_dir) if "control" not in item]
    closed = [item["receive_time_ns"] for item in controls(line.raw_dir) if item["control"] == "connection_closed"]
    moments = [moment for _, moment in faults.returns]
    moments += [next(end for end in closed if end > begun) for _, begun in faults.noticed]
    return [(next(time_ns for time_ns in frames if time_ns > moment) - moment) / 1e9 for moment in moments]


def silences(line, faults):
    """Seconds from the last sign of life to the connection's end, for each silence."""
    closed = [item for item in controls(line.raw_dir) if item["control"] == "connection_closed"]
    ends = [next(item for item in closed if item["receive_time_ns"] > begun) for _, begun in faults.noticed]
    assert [item["reason"] for item in ends] == ["silence"] * len(ends)
    return [(item["receive_time_ns"] - begun) / 1e9 for item, (_, begun) in zip(ends, faults.noticed, strict=True)]


def busiest_second(moments):
    return max(sum(begin <= other < begin + 1.0 for other in moments) for begin in moments)


ENDINGS = [("closed", code) for code in (1000, 1001, 1006, 1011)] + [("broken", name) for name in ("reset", "cut")]


def test_every_fault_of_the_feed_is_noticed_is_an_exact_gap_and_data_flows_again(line, tmp_path):
    others = [("jump", 7), ("silence",), ("no_answer",), ("refused", 2.5), ("bad_certificate", 2)]
    play(line, tmp_path, "feed: every fault", [*ENDINGS, *others])


def test_a_server_that_hangs_up_at_once_is_never_tried_more_than_eight_times_a_second(line):
    accepted = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up():
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                accepted.append(time.monotonic())
                client.close()

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        hurried = {
            "TICKVOL_INGESTION__RECONNECT__INITIAL_BACKOFF_S": "0.01",
            "TICKVOL_INGESTION__RECONNECT__MAX_BACKOFF_S": "0.02",
        }
        url = f"ws://127.0.0.1:{server.getsockname()[1]}"
        capture = line.ingestor(url, "--sink", "file", environment=hurried)
        wait_for(lambda: len(accepted) >= 20, 30, "attempts")
        line.end(capture)
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    assert busiest_second(accepted) <= 8


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_all_faults_of_a_feed_in_any_order_and_minutes_of_refusal(line, tmp_path):
    rng = random.Random(9)
    quick = [*ENDINGS, ("jump", 1), ("jump", 50), ("silence",), ("no_answer",), ("bad_certificate", 10)]
    acts = []
    for seconds in (20, 45, 180):
        acts += rng.sample([*quick, ("refused", seconds)], len(quick) + 1)
    play(line, tmp_path, "feed: all faults, refused for minutes", acts)
