"""`tickvol alerts`: what it shows, delivers, gives up and keeps to itself."""

import json
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.receivers import Receiver
from tickvol.alerts.notifications import decode_notice
from tickvol.apps.alerts import main

SECRET = "not for your eyes"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of its own, without a topic; the webhook is what a test sets."""
    monkeypatch.chdir(ROOT)
    for name, value in {
        "LEDGER": tmp_path / "ledger.jsonl",
        "FILE": tmp_path / "alerts.jsonl",
        "TOPIC_SEVERITIES": "[]",
        "WEBHOOK__MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(f"TICKVOL_ALERTS__{name}", str(value))
    return tmp_path


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch):
    receiver = Receiver(500)
    monkeypatch.setenv("TICKVOL_ALERTS__WEBHOOK__URL", f"http://127.0.0.1:{receiver.port}/hook/token")
    monkeypatch.setenv("TICKVOL_ALERTS__WEBHOOK__SECRET", SECRET)
    yield receiver
    receiver.close()


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_a_test_raises_and_clears_and_leaves_nothing_standing(place: Path, capsys) -> None:
    code, said = run(capsys, "test", "--severity", "critical")
    assert code == 0
    assert "file      2 delivered" in said
    states = [json.loads(line)["notice"]["state"] for line in (place / "alerts.jsonl").read_text().splitlines()]
    assert states == ["raised", "cleared"]
    code, said = run(capsys, "list")
    assert (code, "standing   0" in said, "critical test raised" in said) == (0, True, True)


def test_what_the_webhook_did_not_take_goes_with_the_next_flush(receiver: Receiver, capsys) -> None:
    code, said = run(capsys, "test")
    assert code == 1
    assert "webhook   0 delivered, 2 waiting" in said
    assert run(capsys, "flush")[0] == 1
    receiver.answers = [200]
    code, said = run(capsys, "flush")
    assert (code, "webhook   2 delivered" in said) == (0, True)
    assert [decode_notice(body).state for _, _, body in receiver.requests[-2:]] == ["raised", "cleared"]
    assert run(capsys, "flush")[0] == 0
    assert len(receiver.requests) == 4


def test_a_kill_while_the_webhook_answers_loses_nothing(receiver: Receiver, place: Path, capsys) -> None:
    """Whether it arrived nobody knows: it is sent again, and known by its key."""
    children: list[subprocess.Popen[bytes]] = []
    ready = threading.Event()

    def kills(handler: BaseHTTPRequestHandler) -> None:
        ready.wait(20)
        children[0].kill()
        children[0].wait(20)

    receiver.answers = [kills, 200]
    children.append(subprocess.Popen([sys.executable, "-m", "tickvol", "alerts", "test"], cwd=ROOT))
    ready.set()
    assert children[0].wait(60) == -signal.SIGKILL
    code, said = run(capsys, "flush")
    assert (code, "webhook   2 delivered" in said) == (0, True)
    first, again, _ = (headers["Idempotency-Key"] for _, headers, _ in receiver.requests)
    assert first == again


def test_what_was_refused_is_told_until_it_is_tried_again_or_given_up(receiver: Receiver, capsys) -> None:
    receiver.answers = [410]
    run(capsys, "test")
    code, said = run(capsys, "flush")
    assert (code, "2 refused" in said) == (1, True)
    receiver.answers = [200, 410]
    code, said = run(capsys, "flush", "--refused")
    assert (code, "again      2" in said, "1 delivered, 1 refused" in said) == (1, True, True)
    code, said = run(capsys, "flush", "--give-up", "webhook")
    assert (code, "given up   1 of webhook" in said) == (0, True)


@pytest.mark.usefixtures("receiver")
def test_neither_secret_nor_address_is_shown_or_stored(place: Path, capsys) -> None:
    said = "".join(run(capsys, *words)[1] for words in (["test"], ["list"], ["list", "--json"], ["flush", "--verbose"]))
    stored = "".join(path.read_text() for path in place.iterdir())
    assert "signed with **********" in said
    for text in (said, stored):
        assert SECRET not in text
        assert "token" not in text


def test_a_webhook_without_a_secret_is_refused(receiver: Receiver, monkeypatch, capsys) -> None:
    monkeypatch.delenv("TICKVOL_ALERTS__WEBHOOK__SECRET")
    code, said = run(capsys, "test")
    assert (code, "TICKVOL_ALERTS__WEBHOOK__SECRET" in said, receiver.requests) == (2, True, [])


def test_quiet_hours_show_what_they_hold(receiver: Receiver, monkeypatch, capsys) -> None:
    receiver.answers = [200]
    monkeypatch.setenv("TICKVOL_ALERTS__QUIET_WARNING", "00:00-23:59")
    monkeypatch.setattr("tickvol.alerts.configured.time.time_ns", lambda: 1_775_390_400 * 10**9)
    code, said = run(capsys, "test")
    assert (code, "webhook   0 delivered, 2 held for a digest" in said) == (0, True)
    assert run(capsys, "test", "--severity", "critical")[0] == 0
    assert len(receiver.requests) == 2
    monkeypatch.setenv("TICKVOL_ALERTS__QUIET_WARNING", "")
    assert run(capsys, "flush")[0] == 0
    digest = json.loads(receiver.requests[-1][2])
    assert (digest["type"], len(digest["alerts"])) == ("digest", 2)


def test_json_holds_what_the_table_shows(capsys) -> None:
    run(capsys, "test")
    code, said = run(capsys, "list", "--json", "--limit", "1")
    about = json.loads(said)
    assert (code, about["notices"], about["standing"], about["unreadable_lines"]) == (0, 2, [], 0)
    assert about["newest"][0]["deliveries"]["file"]["fate"] == "delivered"
    assert about["newest"][0]["notice"]["state"] == "cleared"


def test_a_line_that_cannot_be_read_is_told(place: Path, capsys) -> None:
    (place / "ledger.jsonl").write_text("nonsense\n")
    assert "unreadable 1 lines" in run(capsys, "list")[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["list", "--limit", "0"], "--limit: 0"), (["flush", "--give-up", "pigeon"], "--give-up: 'pigeon'")],
)
def test_wrong_use_is_told_in_one_line(capsys, arguments: list[str], says: str) -> None:
    code, said = run(capsys, *arguments)
    assert (code, len(said.splitlines()), says in said) == (2, 1, True)
