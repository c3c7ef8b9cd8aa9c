"""`tickvol performance` on a real broker: only what was said before it could be known grades."""

import json
import time

import pytest

from tests.kafka.scored import put_rows, row_messages, score_to_end
from tests.support.trained import bundles, market
from tickvol.apps import performance

pytestmark = pytest.mark.kafka

LOGISTIC = bundles()[-1]
DAY = market(1)
MINUTES = 20
START_NS = int(DAY.bar_end_ns.min()) + 3000 * 10**9
TABLE = DAY.take((DAY.bar_end_ns > START_NS) & (DAY.bar_end_ns <= START_NS + MINUTES * 60 * 10**9))


@pytest.fixture
def run(kafka_env, kafka_config, tmp_path, monkeypatch, capsys):
    """`run(*arguments)`: exit code, output, errors and the document that was written."""
    LOGISTIC.save(tmp_path / "bundle")
    env = kafka_env | {
        "TICKVOL_SERVING__BUNDLE_DIR": str(tmp_path / "bundle"),
        "TICKVOL_SCORING__METRICS_PORT": "0",
        "TICKVOL_SCORING__REPORT_JSON": str(tmp_path / "reports" / "live.json"),
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    def command(*arguments):
        code = performance.main(list(arguments))
        path = tmp_path / "reports" / "live.json"
        return code, *capsys.readouterr(), json.loads(path.read_text()) if path.exists() else None

    command.env = env
    return command


def test_what_was_made_too_late_is_counted_and_graded_only_as_of_event(run, kafka_config, tmp_path):
    old = TABLE.take(TABLE.bar_end_ns <= START_NS + MINUTES * 30 * 10**9)
    live = TABLE.take(TABLE.bar_end_ns > START_NS + MINUTES * 30 * 10**9)
    put_rows(kafka_config, row_messages(old))
    ahead_ns = time.time_ns() + 3600 * 10**9 - START_NS
    put_rows(kafka_config, row_messages(live, late_by_ns=ahead_ns))  # closed an hour from now: not known yet
    said = score_to_end(run.env, tmp_path / "log")
    code, out, _, found = run()
    assert code == 0
    scorable = LOGISTIC.scorable(TABLE)
    horizon_ns = 60 * 10**9
    decided = TABLE.bar_end_ns + horizon_ns
    late = scorable & (decided <= old.bar_end_ns.max())
    in_time = scorable & (decided > old.bar_end_ns.max()) & (decided <= TABLE.bar_end_ns.max())
    states = found["as_of_event"]["states"]
    assert states["late"] == late.sum() > 1000
    assert states["graded"] == in_time.sum() > 1000
    assert states["pending"] == (scorable & (decided > TABLE.bar_end_ns.max())).sum()
    assert sum(states.values()) == found["as_of_event"]["predictions"] == len(TABLE)
    assert f"{in_time.sum()} graded, " in said
    assert f"{len(TABLE)} predictions = {in_time.sum()} graded + {late.sum()} late" in out
    assert found["as_of_event"]["figures"]["brier"]["value"] is not None
    assert "blocks, at least 20 needed" in found["as_of_event"]["figures"]["brier"]["reason"]
    assert found["as_of_known"]["until_ns"] == TABLE.bar_end_ns.max() + ahead_ns
    _, out, _, found = run("--as-of-event", "--json")
    assert json.loads(out) == found
    assert found["as_of_event"]["states"]["graded"] == (late | in_time).sum()
    assert found["as_of_event"]["states"]["late"] == 0
    _, _, _, found = run("--hours", "0.1")
    assert found["as_of_event"]["predictions"] == 2 * 360


def test_without_predictions_or_with_wrong_use_it_says_what_to_do(run):
    code, _, err, found = run()
    assert (code, found) == (1, None)
    assert "no prediction of BTC-USD, ETH-USD" in err
    assert "tickvol score" in err
    assert run("--hours", "0")[0] == 2
