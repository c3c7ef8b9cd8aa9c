"""`tickvol gaps` on archives made by hand, beside the dataset that replay makes of them."""

import json

import pytest

from tests.eventlog import wire
from tickvol.apps import gaps, replay
from tickvol.core.records import GapReason

T0, SECOND = wire.START_NS, wire.SECOND


def connection(name, first_s, seconds, *, lost=(), reason=GapReason.RECONNECT):
    """Lines of a connection with a tick of both products a second, but for those that were lost."""
    start = T0 + first_s * SECOND
    lines = [wire.control("connection_opened", start, name)]
    for number in range(seconds):
        if number not in lost:
            at = start + number * SECOND
            lines.append(wire.wrap(wire.ticker(number, at, wire.BTC, wire.ETH), at, name))
    return [*lines, wire.control("connection_closed", start + seconds * SECOND, name, reason)]


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A jump of three numbers, a reconnection of ten seconds, and everything else as it was."""
    raw = tmp_path / "raw"
    raw.mkdir()
    lines = [
        wire.control("capture_started"),
        *connection("c1", 0, 120, lost=(40, 41, 42)),
        *connection("c2", 129, 60),
        wire.control("capture_stopped", T0 + 200 * SECOND),
    ]
    (raw / "20260405T000000Z_20260405T00.ndjson").write_bytes(wire.file_of(lines))
    monkeypatch.setenv("TICKVOL_INGESTION__RAW_DIR", str(raw))
    monkeypatch.setenv("TICKVOL_FEATURES__DATASET_DIR", str(tmp_path / "features.parquet"))
    monkeypatch.setenv("TICKVOL_FEATURES__WINDOWS_S", "[10, 30]")
    monkeypatch.setenv("TICKVOL_FEATURES__REFERENCE_WINDOW_S", "10")
    return raw


def told(capsys, *arguments, code=0):
    assert gaps.main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_each_gap_has_its_time_length_reason_products_and_lost_numbers(archive, capsys):
    report = told(capsys)
    jump, reconnect = report["gaps"]
    assert (jump["from"], jump["seconds"], jump["reason"]) == ("2026-04-05T00:00:39.000Z", 4.0, "jump")
    assert (jump["first_missing"], jump["last_missing"]) == (40, 42)
    assert (reconnect["seconds"], reconnect["reason"], reconnect["first_missing"]) == (10.0, "reconnect", None)
    for gap in (jump, reconnect):
        assert set(gap["products"]) == {wire.BTC, wire.ETH}
        assert gap["rows"] is None, "no dataset was made"
    assert report["totals"][wire.BTC] == {"gaps": 2, "unknown_s": 14.0, "span_s": 188.0, "share": 14 / 188}


def test_rows_and_missing_bars_are_those_of_the_dataset(archive, capsys):
    assert replay.main([]) == 0
    capsys.readouterr()
    jump, reconnect = told(capsys)["gaps"]
    # Bars 39 to 43 are touched; rows up to bar 72 have one of them in a window of 30 bars. Two products.
    assert (jump["rows"], jump["missing_bars"]) == (2 * 34, 2 * 5)
    # Bars 119 to 129 are touched; windows reach to bar 158.
    assert (reconnect["rows"], reconnect["missing_bars"]) == (2 * 40, 2 * 11)


def test_one_product_and_long_gaps_only(archive, capsys):
    report = told(capsys, "--product", wire.ETH, "--min-seconds", "5")
    assert [list(gap["products"]) for gap in report["gaps"]] == [[wire.ETH]]
    assert report["totals"][wire.ETH]["unknown_s"] == 14.0, "totals count the short ones too"


def test_people_get_a_line_a_gap_and_totals(archive, capsys):
    assert gaps.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["2026-04-05T00:00:39.000Z", "4.000", "jump", "3", "-", "-", "BTC-USD,", "ETH-USD"]
    assert lines[3].startswith("gaps        2 in ")
    assert "there is no dataset" in lines[3]
    assert lines[4] == "unknown     BTC-USD: 14.000 s of 188.000 s, 7.4468%, in 2 gaps"


def test_a_log_without_gaps_says_so(archive, capsys):
    (path,) = archive.iterdir()
    path.write_bytes(wire.file_of([wire.control("capture_started"), *connection("c1", 0, 5)]))
    report = told(capsys)
    assert report["gaps"] == []
    assert report["totals"][wire.BTC]["unknown_s"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["--data-file", "none"], 1, "--data-file: none: no such file or directory"),
        (["--features", "none"], 1, "--features: none: no such dataset directory"),
        (["--min-seconds", "nan"], 2, "--min-seconds: nan: must be at least 0"),
        (["--from-kafka", "--data-file", "x"], 2, "--data-file: x: not with --from-kafka"),
        (["--product", "btc"], 2, "btc"),
    ],
)
def test_wrong_use_and_absent_files_are_told(archive, capsys, arguments, code, problem):
    assert gaps.main(arguments) == code
    assert problem in capsys.readouterr().err
