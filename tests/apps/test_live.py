"""The processes of `tickvol live`: told, started again, given up; and wrong use."""

import os
import sys
import time

import psutil
import pytest

from tickvol.apps import live
from tickvol.core.errors import WorkError
from tickvol.storage.files import exclusive
from tickvol.supervisor import child as live_children
from tickvol.supervisor.child import Child
from tickvol.supervisor.status_line import StatusLine


@pytest.fixture
def told():
    return []


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(live_children, "FIRST_WAIT_S", 0.01)


def in_group(process, group):
    try:
        return os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE
    except ProcessLookupError:
        return False


def tend_until(child, condition):
    for _ in range(1000):
        child.tend()
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("never")


def test_child_that_dies_at_once_three_times_is_given_up_with_its_last_words(tmp_path, told):
    child = Child("featurizer", lambda: ["replay", "--batch-size", "many"], tmp_path, told.append)
    child.start()
    with pytest.raises(WorkError, match="featurizer: ended 3 times at once, last with exit code 2") as error:
        tend_until(child, lambda: False)
    assert "invalid int value: 'many'" in str(error.value)
    assert len(told) == 2
    assert child.gave_up
    child.tend()
    assert child.pid is None


def test_child_that_lived_a_while_is_started_again_for_ever(tmp_path, told, monkeypatch):
    monkeypatch.setattr(live_children, "AT_ONCE_S", 0.0)
    child = Child("exchange", lambda: ["--version"], tmp_path, told.append)
    child.start()
    tend_until(child, lambda: len(told) == 4)
    assert told[0].startswith("exchange: ended with exit code 0 after 0 s, starts again in")
    child.stop(5, lambda: False)


def test_child_that_does_not_end_is_killed_with_what_it_has_started(tmp_path, told, monkeypatch):
    lines = (
        "import signal, subprocess, time",
        "signal.signal(15, signal.SIG_IGN)",
        "subprocess.Popen(['sleep', '60'])",
    )
    stubborn = "\n".join((*lines, "print('up', flush=True)", "time.sleep(60)"))
    monkeypatch.setattr(live_children, "_command", lambda *_: [sys.executable, "-c", stubborn])
    child = Child("mlflow", list, tmp_path, told.append)
    child.start()
    tend_until(child, lambda: "up" in child.said())
    group = child.pid
    assert not child.stop(60, lambda: True)
    assert child.code == -9
    left = [process for process in psutil.process_iter(["status"]) if in_group(process, group)]
    assert psutil.wait_procs(left, timeout=10)[1] == [], "a kill lands a moment after it was sent"
    assert told == ["mlflow: does not end, killed"]


def test_output_of_an_earlier_run_is_kept_and_not_taken_for_this_one_s(tmp_path, told):
    (tmp_path / "exchange.log").write_text("ws://127.0.0.1:1\n")
    child = Child("exchange", lambda: ["--version"], tmp_path, told.append)
    child.start()
    tend_until(child, lambda: told)
    assert child.said().startswith("tickvol ")
    assert child.log.read_text().startswith("ws://127.0.0.1:1\n")


def test_figures_say_who_does_not_answer():
    assert StatusLine(1, 1, 1).text() == "ingestor: no answer | featurizer: no answer | scorer: no answer"


def test_a_second_one_with_the_same_log_directory_is_refused(tmp_path, capsys):
    with exclusive(tmp_path / ".lock"):
        assert live.main(["--log-dir", str(tmp_path)]) == 1
    assert f"--log-dir: {tmp_path}: another `tickvol live` runs with it; end that one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("--duration", "0"), "--duration: 0: must be above 0 seconds"),
        (("--simulate", "--speed", "max"), "--speed: 'max': must be a number above 0"),
        (("--speed", "2"), "--speed: 2: goes with --simulate"),
    ],
)
def test_wrong_use_exits_2_before_anything_is_started(tmp_path, arguments, rule, capsys):
    assert live.main([*arguments, "--log-dir", str(tmp_path / "log")]) == 2
    assert rule in capsys.readouterr().err
    assert not (tmp_path / "log").exists()
