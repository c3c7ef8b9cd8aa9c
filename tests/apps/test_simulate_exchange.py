"""`tickvol simulate-exchange --rest`: a server as a process, and wrong use."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from tests.support import ROOT
from tickvol.apps.simulate_exchange import main
from tickvol.exchange.coinbase_rest import CoinbaseRest
from tickvol.exchange.http import HttpRules

RULES = HttpRules(deadline_s=20.0, timeout_s=10.0, max_attempts=3, initial_backoff_s=0.01)
DAY_S = 86_400


def test_a_server_answers_with_its_faults_logs_and_stops_on_a_signal(tmp_path) -> None:
    log = tmp_path / "requests.ndjson"
    script = ROOT / "scripts" / "simulate_exchange.py"
    options = ["--rest", "--port", "0", "--products", "BTC-USD", "--now", "2026-01-05T12:00:00Z", "--days", "10"]
    faults = ["--fault", "503:nth=2", "--request-log", str(log)]
    with subprocess.Popen(
        [sys.executable, script, *options, *faults], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        listening = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", process.stdout.readline())
        assert listening is not None
        today_s = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp())
        with CoinbaseRest("exchange", base_url=listening[1], rules=RULES) as coinbase:
            first = coinbase.candles("BTC-USD", DAY_S, today_s - 99 * DAY_S, today_s)
            second = coinbase.candles("BTC-USD", DAY_S, today_s - 99 * DAY_S, today_s)
        process.terminate()
        out, err = process.communicate(timeout=30)
    assert first.candles is not None
    assert (len(first.candles.rows), first.attempts, second.attempts) == (11, 1, 2)
    assert (process.returncode, err) == (0, "")
    assert re.fullmatch(r"answered 3 requests, at most [123] in a second\n", out)
    assert [json.loads(line)["status"] for line in log.read_text().splitlines()] == [200, 503, 200]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--rest", "--fault", "drop:0.1"], "--fault: 'drop:0.1': no fault 'drop'; must be one of 429,"),
        (["--rest", "--now", "noon"], "--now: 'noon': must be a time such as 2026-01-05T00:00:00Z"),
        (["--rest", "--days", "-1"], "--days: -1: must not be negative"),
        (["--rest", "--seed", "-1", "--products", "BTC-USD"], "--seed: -1: must not be negative"),
        (["--rest", "--port", "70000"], "--port: 70000: must be from 0 to 65535"),
        (["--rest", "--exit-when-done"], "--exit-when-done: not with --rest"),
        (["--rest", "--write", "x"], "--write: not with --rest"),
        (["--now", "2026-01-05"], "--now: only with --rest"),
        (["--days", "3"], "--days: only with --rest"),
        (["--unlimited"], "--unlimited: only with --rest"),
        (["--request-log", "x"], "--request-log: only with --rest"),
        (["--fault", "429"], "429"),
    ],
)
def test_wrong_use_exits_2_and_says_why(options: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(options) == 2
    assert says in capsys.readouterr().err


def test_a_file_that_is_no_recording_exits_1(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rest", "--data-file", str(tmp_path / "BTC-USD.csv")]) == 1
    assert "BTC-USD.csv: cannot be read as candles" in capsys.readouterr().err
