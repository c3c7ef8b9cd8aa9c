"""`tickvol risk`: what a user types, what is printed, what wrong use is answered, and the exit codes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.risk.views.stored import LAST_DAY, Stored, store
from tests.support import ROOT
from tickvol.apps import risk
from tickvol.storage.delta.lake import Lake

Command = Callable[..., tuple[int, str, str]]
HEADER = "timestamp,open,high,low,close,volume"
SMALL = {
    "GARCH__REFIT_DAYS": "0",
    "HISTORY_DAYS": "40",
    "VAR_WINDOW_DAYS": "20",
    "Z_WINDOW_DAYS": "20",
    "MAX_REJECTED_SHARE": "0.5",
    "REQUEST__MAX_REQUESTS_PER_S": "2000",
    "REQUEST__BURST": "1000",
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    return store(tmp_path_factory.mktemp("risk"))


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs an action on an empty lake in a directory of the test."""
    monkeypatch.chdir(ROOT)
    places = {
        "TICKVOL_LAKE__DIR": str(tmp_path / "lake"),
        "TICKVOL_RISK__DATABASE_URL": f"sqlite:///{tmp_path}/risk.db",
        "TICKVOL_RISK__EXPORT_DIR": str(tmp_path / "export"),
    }
    for name, value in (places | {f"TICKVOL_RISK__{name}": value for name, value in SMALL.items()}).items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = risk.main(arguments)
        except SystemExit as end:  # of the parser
            code = int(str(end.code))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def filled(command: Command, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs an action that reads on the lake with figures."""
    monkeypatch.setenv("TICKVOL_LAKE__DIR", str(stored.lake.directory))
    monkeypatch.setenv("TICKVOL_RISK__DATABASE_URL", stored.sections.risk.database_url)
    return command


def candles(path: Path, *rows: str) -> Path:
    path.write_text("\n".join((HEADER, *(rows or (f"2026-01-{n:02},100,110,90,10{n % 10},7" for n in range(1, 31))))))
    return path


def no_constant(name: str) -> object:
    raise AssertionError(f"{name} is not JSON")


READING = [
    ["show"],
    ["show", "--product", "SOL-USD", "--product", "BTC-USD"],
    ["shocks", "--top", "3"],
    ["worst"],
    ["backtest"],
    ["backtest", "--method", "fhs"],
    ["gaps"],
    ["runs"],
    ["runs", "--failed"],
    ["health"],
    ["allocate"],
    ["allocate", "--short"],
    ["explain", "BTC-USD", LAST_DAY],
    ["sql", "select * from gold_crypto_risk_metrics_daily where day < '2024-01-03'"],
]


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_every_answer_is_text_or_json(arguments: list[str], filled: Command) -> None:
    code, out, err = filled(*arguments)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines
    assert not any(line != line.rstrip() for line in lines)
    assert not {"None", "nan", "NaN"} & set(out.split())
    code, out, err = filled(*arguments, "--json")
    assert (code, err) == (0, "")
    json.loads(out, parse_constant=no_constant)


def test_the_products_of_all_repetitions_are_shown(filled: Command) -> None:
    data = json.loads(filled("show", "--product", "SOL-USD,BTC-USD", "--product", "SOL-USD", "--json")[1])
    assert list(data) == ["products", "hierarchy"]
    assert [shown["product_id"] for shown in data["products"]] == ["SOL-USD", "BTC-USD"]
    assert [ranked["rank"] for ranked in data["hierarchy"]["ranking"]] == [1, 2, 3]


def test_sql_reads_the_tables_of_every_system(filled: Command) -> None:
    from tickvol.systems import all_tables

    for table in all_tables():
        assert filled("sql", f"select count(*) as n from {table.name}", "--json")[0] == 0


def test_an_export_lists_its_files(filled: Command, tmp_path: Path) -> None:
    code, out, err = filled("export")
    assert (code, err) == (0, "")
    assert f"{tmp_path}/export/gold_crypto_anomalies.csv" in out
    found = json.loads(filled("export", "--json", "--dir", str(tmp_path / "other"))[1])
    assert {Path(file["path"]).parent for file in found} == {tmp_path / "other"}
    assert len(found) == len(list((tmp_path / "other").iterdir())) == len(list((tmp_path / "export").iterdir()))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["show", "--product", "ADA-USD"], "--product: 'ADA-USD': must be one of BTC-USD, ETH-USD, SOL-USD"),
        (["show", "--product", "btc"], "--product: 'btc': must be like BTC-USD"),
        (["show", "--product", ""], "--product: '': must be like BTC-USD"),
        (["gaps", "--product", "ADA-USD"], "--product: 'ADA-USD': must be one of"),
        (["shocks", "--top", "0"], "--top: 0: must be at least 1"),
        (["shocks", "--top", "-1"], "--top: -1: must be at least 1"),
        (["runs", "--limit", "-1"], "--limit: -1: must be at least 1"),
        (["allocate", "--min-days", "0"], "--min-days: 0: must be at least 2"),
        (["allocate", "--product", "BTC-USD"], "--product: BTC-USD: must be given for at least two products"),
        (["backtest", "--method", "var"], "--method: 'var': must be one of fhs, roll, ewma, garch"),
        (["explain", "btc", "2025-03-03"], "PRODUCT: 'btc': must be like BTC-USD"),
        (["explain", "BTC-USD", "2025-13-01"], "DAY: '2025-13-01': must be a date such as 2025-03-03"),
        (["explain", "BTC-USD", "20250303"], "DAY: '20250303': must be a date such as 2025-03-03"),
        (["explain", "BTC-USD", "2099-01-01"], "PRODUCT DAY: BTC-USD 2099-01-01: nothing is stored"),
        (["backfill", "--from", "2025-13-01"], "--from: '2025-13-01': must be a date such as 2025-03-03"),
        (["backfill", "--from", "2099-01-01"], "--from: 2099-01-01: must be from 2009-01-03 to today"),
        (["backfill", "--from", "2009-01-02"], "--from: 2009-01-02: must be from 2009-01-03 to today"),
        (["backfill", "--from", "2024-01-01", "--product", "x"], "--product: 'x': must be like BTC-USD"),
        (["run", "--no-fetch", "--simulate"], "--no-fetch, --simulate: must not be given together"),
        (["run", "--no-fetch", "--product", "BTC-USD"], "--product: must not be given with --no-fetch"),
        (["run", "--only", "gold", "--no-fetch"], "--only: gold: is a step of a run that fetches"),
        (["load", "prices.csv"], "FILE: 'prices.csv': its name has no product; write PRODUCT=FILE"),
        (["load", "btc=x.csv"], "FILE: 'btc=x.csv': PRODUCT in PRODUCT=FILE must be like BTC-USD"),
        (["load", "BTC-USD="], "FILE: 'BTC-USD=': names no file"),
        (["sql", "drop table x"], "SQL: 'drop table x': must be a SELECT"),
        (["sql", "select * from read_csv('/etc/passwd')"], "SQL: 'read_csv': reads files"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_is_answered_with_field_value_and_rule(arguments: list[str], reason: str, filled: Command) -> None:
    code, out, err = filled(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"tickvol risk {arguments[0]}: {reason}")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "ACTION"),
        (["nope"], "invalid choice: 'nope'"),
        (["shocks", "--top", "x"], "argument --top: invalid int value: 'x'"),
        (["backfill"], "the following arguments are required: --from"),
        (["run", "--only", "nope"], "argument --only: invalid choice: 'nope'"),
    ],
)
def test_what_the_parser_refuses_is_wrong_use(arguments: list[str], reason: str, command: Command) -> None:
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert reason in err.splitlines()[-1]


@pytest.mark.parametrize("action", ["show", "shocks", "worst", "backtest", "allocate", "export"])
def test_without_figures_an_action_fails_and_says_what_to_run(action: str, command: Command, tmp_path: Path) -> None:
    assert command(action) == (
        1,
        "",
        f"tickvol risk {action}: no risk figures are stored; `tickvol risk run` computes them\n",
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("action", ["gaps", "runs", "health"])
def test_without_a_run_the_log_and_the_ledger_are_empty(action: str, command: Command, tmp_path: Path) -> None:
    code, out, err = command(action)
    assert (code, err) == (0, "")
    assert "`tickvol risk run`" in out
    assert list(tmp_path.iterdir()) == []


def test_weights_that_do_not_exist_fail_with_the_reason(filled: Command) -> None:
    code, out, err = filled("allocate", "--min-days", "9999")
    assert (code, err) == (1, "")
    assert out.startswith("no weights: common days: 699: at least 9999 are needed")
    assert json.loads(filled("allocate", "--min-days", "9999", "--json")[1])["weights"] == {}


def test_files_of_any_product_are_loaded_computed_and_shown(command: Command, tmp_path: Path) -> None:
    file = candles(tmp_path / "XYZ-EUR.csv")
    code, out, err = command("load", str(file))
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"XYZ-EUR: 29 days of {file}; its last candle is dropped"
    assert out.splitlines()[-1] == "`tickvol risk run --no-fetch` computes the figures"
    code, out, err = command("run", "--no-fetch")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].split()[:2] == ["run", "success"]
    assert "close                109.00 EUR" in command("show")[1]


def test_loaded_files_are_in_the_json_of_the_load(command: Command, tmp_path: Path) -> None:
    file = candles(tmp_path / "x.csv")
    code, out, err = command("load", f"BTC-USD={file}", f"ETH-USD={file}", "--json")
    data = json.loads(out)
    assert (code, err, data["files"][1]) == (0, "", f"ETH-USD: 29 days of {file}; its last candle is dropped")
    assert [(step["step"], step["status"]) for step in data["steps"]] == [("load", "success"), ("run", "success")]


def test_the_summary_of_a_file_counts_what_is_odd(command: Command, tmp_path: Path) -> None:
    tail = "100,110,90,101,7"
    rows = ["2026-01-01", "2026-01-01", "someday", "2026-01-02", "2026-01-03"]
    file = candles(tmp_path / "BTC-USD.csv", *(f"{day},{tail}" for day in rows))
    line = command("load", str(file))[1].splitlines()[0]
    odd = "rows without a readable time: 1; repeated rows: 1"
    assert line == f"BTC-USD: 2 days of {file}; {odd}; its last candle is dropped"
    assert command("run", "--no-fetch")[0] == 0
    assert json.loads(command("gaps", "--json")[1])[0]["days"]["known"] == 2


def test_a_day_that_is_there_twice_with_other_values_is_rejected(command: Command, tmp_path: Path) -> None:
    days = [f"2026-01-{n:02},100,110,90,101,7" for n in range(1, 11)]
    file = candles(tmp_path / "BTC-USD.csv", *days, "2026-01-04,100,110,90,102,7")
    assert command("load", str(file))[0] == command("run", "--no-fetch")[0] == 0
    (span,) = json.loads(command("gaps", "--json")[1])[0]["spans"]
    assert (span["first_day"], span["days"], span["state"]) == ("2026-01-04", 1, "failed")
    assert span["reason"] == "rejected: one_value_per_time"


def test_times_far_outside_do_not_stretch_the_ledger(command: Command, tmp_path: Path) -> None:
    days = [f"2026-01-{n:02}" for n in range(1, 11)]
    rows = [f"{day},100,110,90,101,7" for day in ("0001-01-01", *days, "9998-01-01", "9999-01-01")]
    file = candles(tmp_path / "BTC-USD.csv", *rows)
    assert command("load", str(file))[0] == command("run", "--no-fetch")[0] == 0
    (ledger,) = json.loads(command("gaps", "--json")[1])
    assert (ledger["first_day"], ledger["last_day"], ledger["days"]["known"]) == ("2026-01-01", "2026-01-10", 10)
    only = candles(tmp_path / "x.csv", *(f"9999-12-{n},1,1,1,1,1" for n in (28, 29, 30)))
    code, _, err = command("load", f"BTC-USD={only}")
    assert code == 1
    assert "opening times: none is from 2009-01-03 to now" in err


def test_a_file_that_cannot_be_read_gives_one_line(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(bytes(range(256)))
    code, out, err = command("load", f"BTC-USD={file}")
    assert (code, out) == (1, "")
    assert err == f"tickvol risk load: {file}: cannot be read as CSV: invalid utf-8 sequence\n"
    assert "load failed" in command("runs", "--failed")[1]


def test_a_simulated_run_goes_through_all_actions(command: Command) -> None:
    code, out, err = command("run", "--simulate", "--product", "BTC-USD", "--product", "ETH-USD")
    assert (code, err) == (0, "")
    steps = ["ingest", "silver", "silver_checks", "gold", "anomalies", "audit", "star", "star_checks", "run"]
    assert [line.split()[:2] for line in out.splitlines()] == [[step, "success"] for step in steps]
    assert [shown["source"] for shown in json.loads(command("show", "--json")[1])["products"]] == ["simulated"] * 2
    (unfinished,) = json.loads(command("gaps", "--product", "BTC-USD", "--json")[1])[0]["spans"]
    assert (unfinished["state"], unfinished["days"]) == ("unfinished", 1)


@pytest.mark.parametrize(
    "arguments", [["run", "--no-fetch"], ["run", "--simulate"], ["load", "FILE"], ["backfill", "--from", "2026-01-01"]]
)
def test_while_another_process_writes_the_exit_code_is_3(
    arguments: list[str], command: Command, tmp_path: Path
) -> None:
    file = candles(tmp_path / "BTC-USD.csv")
    with Lake(tmp_path / "lake", ()).writing():
        code, out, err = command(*(str(file) if word == "FILE" else word for word in arguments))
    assert (code, out) == (3, "")
    assert "is writing these tables; wait until it ends" in err


def test_reading_goes_on_while_another_process_writes(filled: Command, stored: Stored) -> None:
    with stored.lake.writing():
        assert filled("show")[0] == filled("runs")[0] == filled("sql", "select 1 as one")[0] == 0


def test_a_failed_fetch_fails_the_retry_and_shows_the_gaps(
    command: Command, stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(stored.lake.directory, tmp_path / "lake")
    for name, value in {"BASE_URL": "http://127.0.0.1:9", "REQUEST__MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(f"TICKVOL_RISK__{name}", value)
    code, out, err = command("gaps", "--retry", "--product", "BTC-USD")
    assert code == 1
    assert "ingest        failed" in out
    assert "BTC-USD  advanced_trade  failed" in out
    assert "no request got a good answer" in err
