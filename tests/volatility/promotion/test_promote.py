"""`tickvol promote`, `rollback` and `champion`: who serves changes by them alone, and the ledger says so."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.volatility.promotion.conftest import Store
from tests.volatility.promotion.store import ROOT, config, register_day, write_leakcheck
from tickvol.apps import champion, promote, rollback
from tickvol.core.errors import SchemaMismatch
from tickvol.tracking.settings import MlflowConfig
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.promotion.gates import GATES
from tickvol.volatility.registry import champions
from tickvol.volatility.registry import versions as registry
from tickvol.volatility.registry.champions import champions_ledger
from tickvol.volatility.registry.runs import resolve_alias
from tickvol.volatility.registry.versions import aliases
from tickvol.volatility.workflows import promote as promoting

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow"),
]


def run(store: Store, *more: str) -> int:
    return promote.main(["--features", str(store.features), *more])


def kinds() -> list[str]:
    return [entry.kind for entry in champions_ledger(config().mlflow).entries()]


def test_the_first_version_is_in_the_ledger_as_bootstrap(store: Store) -> None:
    (entry,) = champions_ledger(config().mlflow).entries()
    assert entry.kind == "bootstrap"
    assert entry.content["version"] == "1"
    assert aliases(config().mlflow) == {"champion": "1", "challenger": "2"}


def test_a_challenger_that_passes_serves_and_the_old_one_is_kept(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(store) == 0
    output = capsys.readouterr().out
    assert re.findall(r"^(pass|FAIL)  (.{19}) \S", output, re.M) == [("pass", f"{name:<19}") for name in GATES]
    assert aliases(config().mlflow) == {"champion": "2", "challenger": "2", "previous": "1"}
    assert Bundle.load(resolve_alias(config().mlflow)).version == store.challenger.version
    content = champions_ledger(config().mlflow).entries()[-1].content
    assert (content["version"], content["served_before"], content["forced"]) == ("2", "1", None)
    assert content["bundle_hash"] == store.challenger.version
    assert content["champion_bundle_hash"] == store.champion.version
    assert content["data_fingerprint"] == store.challenger.manifest.provenance.data_fingerprint
    assert [gate["name"] for gate in content["gates"]] == list(GATES)
    assert content["judged"]["days"] == ["2026-04-16", "2026-04-18"]
    assert run(store) == 0
    assert "is already champion" in capsys.readouterr().out
    assert kinds() == ["bootstrap", "promoted"]


@pytest.mark.parametrize(
    ("key", "value", "gate"),
    [
        ("PROMOTION__MAX_P99_US", "0.001", "latency"),
        ("PROMOTION__MIN_DAYS", "3", "days"),
        ("EVALUATION__MIN_BLOCKS", "500", "lead over baseline"),
        ("LEAKCHECK__REPORT_JSON", "nowhere/leakcheck.json", "leak check"),
    ],
)
def test_a_shut_gate_changes_nothing_and_is_told_and_written(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], key: str, value: str, gate: str
) -> None:
    monkeypatch.setenv(f"TICKVOL_{key}", value)
    before = aliases(config().mlflow)
    assert run(store) == 1
    assert re.search(rf"refused, nothing was changed: (.*\n)*{gate}: |changed: {gate}: ", capsys.readouterr().err)
    assert aliases(config().mlflow) == before
    entry = champions_ledger(config().mlflow).entries()[-1]
    assert entry.kind == "refused"
    assert gate in [found["name"] for found in entry.content["gates"] if not found["passed"]]


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b'{"clean": true}',
        json.dumps({"data_fingerprint": "0" * 64, "config_hash": "0" * 64, "clean": True, "checks": []}).encode(),
    ],
)
def test_a_leak_check_that_is_torn_or_of_other_data_is_none(
    store: Store, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    config().leakcheck.report_json.write_bytes(content)
    assert run(store) == 1
    assert re.search("leak check: .*(cannot be read|is of other data).*tickvol leakcheck", capsys.readouterr().err)


def test_a_leak_that_was_found_is_named(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    checks = [{"name": "shuffled labels", "passed": False, "reason": "skill 0.3"}, {"name": "log", "passed": None}]
    write_leakcheck(store.challenger, clean=False, checks=checks)
    assert run(store) == 1
    assert "leaks found: shuffled labels" in capsys.readouterr().err


def test_a_reason_forces_it_past_a_shut_gate_and_stays_in_the_ledger(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TICKVOL_PROMOTION__MIN_DAYS", "9")
    assert run(store, "--force", "the old one is broken") == 0
    assert aliases(config().mlflow)["champion"] == "2"
    assert champions_ledger(config().mlflow).entries()[-1].content["forced"] == "the old one is broken"
    capsys.readouterr()
    assert champion.main([]) == 0
    assert "forced past days: the old one is broken" in capsys.readouterr().out


def test_a_dry_run_writes_nothing_and_says_how_it_would_end(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(store, "--dry-run") == 0
    monkeypatch.setenv("TICKVOL_PROMOTION__MIN_DAYS", "9")
    assert run(store, "--dry-run") == 1
    assert re.findall("would be (.*);", capsys.readouterr().out) == ["promoted", "refused"]
    assert kinds() == ["bootstrap"]
    assert aliases(config().mlflow)["champion"] == "1"


@pytest.mark.parametrize(("answer", "kind", "serving"), [("yes", "promoted", "2"), ("no", "declined", "1")])
def test_asked_a_person_decides_and_a_no_is_written_too(
    store: Store, monkeypatch: pytest.MonkeyPatch, answer: str, kind: str, serving: str
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert run(store, "--ask") == (0 if answer == "yes" else 1)
    assert kinds()[-1] == kind
    assert aliases(config().mlflow)["champion"] == serving


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--force", " "], 2, "--force: ' ': must be the reason"),
        (["--ask"], 2, "--ask: standard input is no terminal"),
        (["--candidate", "nobody"], 1, "no such alias"),
        (["--candidate", "77"], 1, "models:/tickvol-spike/77: the registry has no such version"),
    ],
)
def test_wrong_use_is_one_clear_line(
    store: Store, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    assert run(store, *arguments) == code
    assert message in capsys.readouterr().err


def test_back_and_forth_and_what_was_rolled_back_does_not_come_again_by_itself(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rollback.main([]) == 1
    assert "no champion was replaced yet" in capsys.readouterr().err
    assert run(store) == 0
    assert rollback.main(["--reason", "rang all night"]) == 0
    assert "version 1 is champion again, version 2 was" in capsys.readouterr().out
    assert aliases(config().mlflow) == {"champion": "1", "challenger": "2"}
    assert rollback.main([]) == 1
    assert run(store) == 1
    assert "history: rolled back before: " in capsys.readouterr().err
    assert kinds() == ["bootstrap", "promoted", "rolled back", "refused"]
    assert champion.main([]) == 0
    output = capsys.readouterr().out
    assert "version 1 instead of 2: rang all night" in output
    assert "serves      version 1; 4 entries, all hold" in output


def test_a_broken_ledger_is_told_at_its_line_and_no_one_is_promoted(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    path = champions_ledger(config().mlflow).path
    path.write_bytes(path.read_bytes().replace(b'"version":"1"', b'"version":"2"'))
    assert champion.main([]) == 1
    assert "tickvol-spike.champions.jsonl: line 1: does not fit its own SHA-256" in capsys.readouterr().err
    assert run(store) == 1
    assert aliases(config().mlflow)["champion"] == "1"


def test_a_ledger_that_was_cut_with_its_head_is_found_by_what_mlflow_saw(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = champions_ledger(config().mlflow)
    kept = {path: path.read_bytes() for path in (ledger.path, ledger.head_path)}
    assert run(store) == 0
    for path, content in kept.items():
        path.write_bytes(content)
    assert ledger.verify() == 1
    capsys.readouterr()
    assert champion.main([]) == 1
    assert "line 2: MLflow saw it" in capsys.readouterr().err


def test_nothing_is_appended_to_a_ledger_that_mlflow_did_not_see(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(store) == 0
    ledger = champions_ledger(config().mlflow)
    ledger.path.unlink()
    ledger.head_path.unlink()
    ledger.append("bootstrap", {"at": "2026-04-06T00:00:00Z", "version": "1"})
    for act in (lambda: run(store, "--candidate", "1"), lambda: rollback.main(["--reason", "worse"])):
        assert act() == 1
        assert "the ledger does not hold it" in capsys.readouterr().err
    assert kinds() == ["bootstrap"]
    assert aliases(config().mlflow)["champion"] == "2"


def test_lines_put_behind_what_mlflow_saw_are_told(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = champions_ledger(config().mlflow)
    for _ in range(2):
        ledger.append("promoted", {"at": "2026-04-07T00:00:00Z", "version": "1"})
    assert champion.main([]) == 1
    assert "lines were added" in capsys.readouterr().err
    assert run(store) == 1
    assert len(kinds()) == 3


def test_the_same_bundle_under_another_number_does_not_come_again_by_itself(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(store) == 0
    assert rollback.main(["--reason", "rang all night"]) == 0
    write_leakcheck(register_day(store.directory, 1, store.challenger.name))
    assert aliases(config().mlflow)["challenger"] == "3"
    capsys.readouterr()
    assert run(store) == 1
    assert "history: rolled back before: " in capsys.readouterr().err


def test_past_a_champion_that_cannot_be_read_only_a_reason_goes(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read = promoting.bundle_of

    def unreadable(settings: MlflowConfig, version: registry.Version) -> Bundle:
        if version.number == "1":
            raise SchemaMismatch("bundle version 1 with feature schema 1, this program reads 2 with 2")
        return read(settings, version)

    monkeypatch.setattr(promoting, "bundle_of", unreadable)
    assert run(store) == 1
    assert "the champion cannot be read (bundle version 1" in capsys.readouterr().err
    assert run(store, "--force", "upgrade") == 0
    assert aliases(config().mlflow)["champion"] == "2"


def test_who_comes_second_waits_and_is_told_to_judge_again(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked, changing = threading.Event(), champions.changing

    def seen(settings: MlflowConfig) -> AbstractContextManager[None]:
        asked.set()
        return changing(settings)

    monkeypatch.setattr(promoting, "changing", seen)
    with ThreadPoolExecutor(1) as pool:
        with changing(config().mlflow):
            second = pool.submit(run, store)
            assert asked.wait(60)
            with pytest.raises(TimeoutError):
                second.result(0.5)
            champions.make_champion(
                config().mlflow, "2", kind="promoted", content={"at": "2026-04-06T00:00:00Z", "by": "another"}
            )
        assert second.result(60) == 1
    assert "is version 2 now; judge again" in capsys.readouterr().err
    assert kinds() == ["bootstrap", "promoted"]


def test_an_end_of_input_is_a_no(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def end(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", end)
    assert run(store, "--ask") == 1
    assert kinds() == ["bootstrap", "declined"]


def test_candles_have_a_registered_model_of_their_own(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert config().profile("candles").mlflow.registered_model == f"{config().mlflow.registered_model}-candles"
    assert champion.main(["--candles"]) == 0
    assert "serves      nobody; 0 entries" in capsys.readouterr().out


def test_an_alias_moved_by_hand_is_told(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with registry.mlflow_client(config().mlflow) as client:
        client.set_registered_model_alias("tickvol-spike", "champion", "2")
    assert champion.main([]) == 1
    assert "the registry says version 2, the ledger 1" in capsys.readouterr().err


def test_a_champion_that_changed_while_a_person_thought_is_not_replaced(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def think(_: str) -> str:
        content = {"at": "2026-04-06T00:00:00Z", "by": "another"}
        champions.make_champion(config().mlflow, "2", kind="promoted", content=content)
        return "yes"

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", think)
    assert run(store, "--ask") == 1
    assert "is version 2 now; judge again" in capsys.readouterr().err


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, gone: str) -> Iterator[None]:
    """MLflow without one of its requests."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    def fail(*_: object) -> None:
        raise MlflowException("gone away")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, gone, fail)
        yield


@pytest.mark.parametrize("gone", ["set_registered_model_tag", "set_registered_model_alias"])
def test_a_promotion_that_mlflow_fails_leaves_an_entry_that_says_who_goes_on(
    gone: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing(monkeypatch, gone):
        assert run(store) == 1
    assert kinds() == ["bootstrap", "promoted", "failed"]
    entries = champions_ledger(config().mlflow).entries()
    assert champions.served_by_ledger(entries) == aliases(config().mlflow)["champion"] == "1"


@pytest.mark.parametrize(
    ("gone", "serves"),
    [
        ("set_registered_model_tag", "2"),
        ("set_registered_model_alias", "2"),
        ("delete_registered_model_alias", "1"),
    ],
)
def test_a_rollback_that_mlflow_fails_leaves_an_entry_that_says_who_goes_on(
    gone: str, serves: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(store, "--force", "because") == 0
    with failing(monkeypatch, gone):
        assert rollback.main(["--reason", "worse"]) == 1
    assert kinds() == ["bootstrap", "promoted", "rolled back", "failed"]
    entries = champions_ledger(config().mlflow).entries()
    assert champions.served_by_ledger(entries) == aliases(config().mlflow)["champion"] == serves


def test_a_later_training_moves_the_challenger_and_never_the_champion(store: Store, tmp_path: Path) -> None:
    register_day(tmp_path, 2, "logistic")
    assert aliases(config().mlflow) == {"champion": "1", "challenger": "3"}
    assert kinds() == ["bootstrap"]


def test_entries_are_printed_as_json_on_request(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(store, "--force", "because") == 0
    capsys.readouterr()
    assert champion.main(["--json"]) == 0
    assert [json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()] == ["bootstrap", "promoted"]


def test_only_one_module_moves_the_champion() -> None:
    found = subprocess.run(
        ["grep", "-rlE", "registered_model_alias", "src"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert sorted(found) == ["src/tickvol/volatility/registry/champions.py", "src/tickvol/volatility/registry/runs.py"]
    runs = (ROOT / "src/tickvol/volatility/registry/runs.py").read_text(encoding="utf-8")
    assert re.findall(r"registered_model_alias\(.*", runs) == ["registered_model_alias(name, CHALLENGER, version)"]
