"""`tickvol backtest`: what it prints, and what it refuses."""

import json

import pytest

from tests.support import ROOT
from tests.support.datasets import write_dataset
from tests.support.trained import bundles, market
from tickvol.apps.backtest import main
from tickvol.volatility.evaluation.backtest import backtest

LOGISTIC = bundles()[-1]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    directory = tmp_path_factory.mktemp("backtest")
    LOGISTIC.save(directory / "logistic")
    write_dataset(directory / "features.parquet", market(3))
    return directory


@pytest.fixture
def run(place, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)

    def command(*arguments):
        defaults = ["--bundle", str(place / "logistic"), "--features", str(place / "features.parquet")]
        code = main([*defaults, *arguments])
        return code, *capsys.readouterr()

    return command


def test_json_is_the_document_of_the_function(run):
    code, out, _ = run("--json")
    assert code == 0
    assert json.loads(out) == json.loads(json.dumps(backtest(market(3), LOGISTIC, alarm_cooldown_s=60)))


def test_screen_says_caught_lead_times_and_false_alarms_beside_the_bundles_own(run):
    code, out, _ = run()
    assert code == 0
    figures = backtest(market(3), LOGISTIC)["events"]
    assert f"{figures['caught']} of {figures['events']} spikes caught" in out
    assert "false alarms an hour" in out
    assert "own test" in out


def test_product_and_time_cut_the_rows(run):
    times = market(3).bar_end_ns
    middle = int(times.min() + times.max()) // 2
    code, out, _ = run("--json", "--product", "ETH-USD", "--from", str(middle))
    found = json.loads(out)
    assert code == 0
    assert set(found["by_product"]) == {"ETH-USD"}
    assert found["rows"]["from_ns"] >= middle
    code, out, _ = run("--json", "--product", "ETH-USD", "--to", str(middle))
    assert json.loads(out)["rows"]["to_ns"] < middle


def test_a_higher_threshold_rings_less(run):
    alarms = [json.loads(run("--json", "--threshold", x)[1])["events"]["alarms"] for x in ("0.05", "0.9")]
    assert alarms[0] > alarms[1]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(["--from", "yesterday"], 2, "from: 'yesterday': must be ISO 8601", id="no time"),
        pytest.param(["--from", "20", "--to", "10"], 2, "from must lie before to", id="backwards"),
        pytest.param(["--threshold", "1.5"], 2, "must be a probability", id="no probability"),
        pytest.param(["--product", "DOGE-USD"], 1, "holds no rows", id="a product that is not there"),
        pytest.param(["--from", "2030-01-01"], 1, "holds no rows", id="a time that is not there"),
        pytest.param(["--bundle", "/nowhere"], 1, "is no bundle", id="no bundle"),
    ],
)
def test_what_is_wrong_is_one_line_and_an_exit_code(run, arguments, code, message):
    found, _, err = run(*arguments)
    assert found == code
    assert len(err.strip().splitlines()) == 1
    assert message in err
