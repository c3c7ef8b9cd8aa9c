"""The answerer with a real bundle: opened only when all is well, and what its GET endpoints answer."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.support import ROOT
from tests.support.datasets import write_dataset
from tests.support.trained import bundles, market
from tests.volatility.answers.samples import frames, row, rows_body
from tickvol.config import Config, load_config
from tickvol.core.errors import CorruptFile, InputError, TrackingUnavailable, WorkError
from tickvol.serving.problems import RequestError
from tickvol.volatility.answers import answerer as answerer_module
from tickvol.volatility.answers.answerer import Answerer, open_answerer
from tickvol.volatility.answers.requests import RowsOrFrames
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.schema.feature_row import SCHEMA_VERSION
from tickvol.volatility.schema.feature_table import FeatureTable

LOGISTIC = bundles()[-1]
DEAD_SERVER = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("answerer")
    LOGISTIC.save(directory / "logistic")
    write_dataset(directory / "features.parquet", market(3))
    return directory


def config_of(place: Path, bundle: str = "logistic", **serving: Any) -> Config:
    config = load_config(ROOT / "config.yaml", env_file=None)
    changes = {"bundle_dir": str(place / bundle) if bundle else "", **serving}
    return config.model_copy(
        update={
            "serving": config.serving.model_copy(update=changes),
            "features": config.features.model_copy(update={"dataset_dir": place / "features.parquet"}),
            "mlflow": config.mlflow.model_copy(update={"tracking_uri": DEAD_SERVER}),
        }
    )


@pytest.fixture(scope="module")
def answerer(place: Path) -> Answerer:
    return open_answerer(config_of(place))


def asked(answerer: Answerer, name: str, *parameters: tuple[str, str]) -> Any:
    return json.loads(answerer.answer(name, list(parameters)))


def test_rows_and_frames_are_scored_by_the_bundle_itself(answerer: Answerer) -> None:
    table = market(3)
    scorable = np.flatnonzero(LOGISTIC.scorable(table))[[0, 500, -1]]
    rows = [
        {
            "product_id": table.products[table.product[place]],
            "bar_end_ns": int(table.bar_end_ns[place]),
            "features": {
                name: float(value) if np.isfinite(value) else None
                for name, value in zip(table.names, table.values[place], strict=True)
            },
        }
        for place in scorable
    ]
    request = RowsOrFrames.model_validate_json(json.dumps(rows_body(*rows)))
    found = json.loads(answerer.answer("predict", request))
    assert [a["probability"] for a in found["answers"]] == LOGISTIC.probability(table)[scorable].tolist()
    assert found["model_version"] == LOGISTIC.version


def test_model_tells_its_hash_label_windows_thresholds_test_figures_and_schema(answerer: Answerer) -> None:
    found = asked(answerer, "model")
    assert found["model_version"] == LOGISTIC.version
    assert found["feature_schema_version"] == SCHEMA_VERSION
    assert found["label"]["horizon_s"] == 60
    assert found["feature_spec"]["windows_s"] == [10, 30, 60, 300, 900]
    assert found["decision"]["watch"] < found["decision"]["alert"]
    assert found["metrics"]["test"]["pr_auc"] == LOGISTIC.manifest.metrics["test"]["pr_auc"]
    assert found["note"] is None


def test_model_of_a_simulated_market_says_so(tmp_path: Path) -> None:
    Bundle(msgspec.structs.replace(LOGISTIC.manifest, simulated=True), LOGISTIC.detector).save(tmp_path / "logistic")
    found = asked(open_answerer(config_of(tmp_path)), "model")
    assert found["simulated"]
    assert "nothing about real markets" in found["note"]


def test_backtest_is_that_of_the_command_on_the_rows_asked_for(answerer: Answerer) -> None:
    whole = asked(answerer, "backtest")
    assert whole["model_version"] == LOGISTIC.version
    assert whole["events"]["events"] > 0
    assert whole["bundle_test"]["pr_auc"] == LOGISTIC.manifest.metrics["test"]["pr_auc"]
    one = asked(answerer, "backtest", ("product", "ETH-USD"), ("threshold", "0.5"))
    assert set(one["by_product"]) == {"ETH-USD"}
    assert one["threshold"] == 0.5
    middle = int(market(3).bar_end_ns.mean())
    late = asked(answerer, "backtest", ("from", str(middle)))
    assert late["rows"]["from_ns"] >= middle
    assert late["rows"]["judged"] < whole["rows"]["judged"]


@pytest.mark.parametrize(
    ("name", "parameters", "status", "field"),
    [
        ("backtest", [("from", "yesterday")], 422, "from"),
        ("backtest", [("from", "2026-04-06"), ("to", "2026-04-05")], 422, "from, to"),
        ("backtest", [("from", "1"), ("from", "2")], 422, "from"),
        ("backtest", [("threshold", "high")], 422, "threshold"),
        ("backtest", [("threshold", "nan")], 422, "threshold"),
        ("backtest", [("threshold", "-0.1")], 422, "threshold"),
        ("backtest", [("symbol", "BTC-USD")], 422, "symbol"),
        ("backtest", [("product", "DOGE-USD")], 404, "backtest"),
        ("backtest", [("to", "2001-01-01")], 404, "backtest"),
        ("model", [("x", "1")], 422, "x"),
    ],
)
def test_query_that_cannot_be_answered_names_the_parameter(
    answerer: Answerer, name: str, parameters: list[tuple[str, str]], status: int, field: str
) -> None:
    with pytest.raises(RequestError) as refused:
        answerer.answer(name, parameters)
    assert (refused.value.status, refused.value.field) == (status, field)


def test_backtest_over_too_many_hours_is_refused_before_it_reads_any(place: Path) -> None:
    small = open_answerer(config_of(place, max_backtest_rows=2 * 3600))
    with pytest.raises(RequestError, match="at most 2 at once") as refused:
        small.answer("backtest", [])
    assert refused.value.status == 422
    hour_ns = 3600 * 10**9
    first = int(market(3).bar_end_ns.min()) // hour_ns * hour_ns
    assert asked(small, "backtest", ("product", "BTC-USD"), ("from", str(first)), ("to", str(first + 2 * hour_ns)))


def test_flipped_byte_in_the_dataset_is_an_error_and_no_figure(place: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "features.parquet", market(3))
    LOGISTIC.save(tmp_path / "logistic")
    broken = sorted((tmp_path / "features.parquet").rglob("*.parquet"))[0]
    content = bytearray(broken.read_bytes())
    content[len(content) // 2] ^= 1
    broken.write_bytes(content)
    with pytest.raises(RequestError) as refused:
        open_answerer(config_of(tmp_path)).answer("backtest", [])
    assert refused.value.status == 500
    assert broken.name in refused.value.rule


def test_flipped_byte_in_the_bundle_keeps_the_answerer_shut(tmp_path: Path) -> None:
    LOGISTIC.save(tmp_path / "logistic")
    manifest = tmp_path / "logistic" / "bundle.json"
    content = bytearray(manifest.read_bytes())
    content[100] ^= 1
    manifest.write_bytes(content)
    with pytest.raises(CorruptFile, match=r"bundle\.json"):
        open_answerer(config_of(tmp_path))


def test_absent_bundle_keeps_the_answerer_shut(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no bundle"):
        open_answerer(config_of(tmp_path))


def test_mlflow_is_asked_only_where_no_directory_is_named(tmp_path: Path, place: Path) -> None:
    open_answerer(config_of(place))  # its registry is a dead server
    with pytest.raises(TrackingUnavailable, match="--bundle"):
        open_answerer(config_of(place, bundle=""))


def test_bundle_without_a_finite_answer_keeps_the_answerer_shut(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(self: Bundle, table: FeatureTable) -> Any:
        return np.full(len(table), np.nan)

    monkeypatch.setattr(Bundle, "probability", nothing)
    with pytest.raises(WorkError, match="no finite probability"):
        open_answerer(config_of(place))


def test_warm_up_runs_the_engine(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    real = answerer_module.rows_of_frames

    def counted(given: Any, *rest: Any) -> Any:
        result = real(given, *rest)
        ran.append(len(result.table))
        return result

    monkeypatch.setattr(answerer_module, "rows_of_frames", counted)
    open_answerer(config_of(place))
    assert ran == [2], "of four seconds two bars are past their grace"


def test_every_trained_detector_can_be_served(tmp_path: Path) -> None:
    request = RowsOrFrames.model_validate_json(json.dumps({"frames": frames(800)}))
    for bundle in bundles():
        bundle.save(tmp_path / bundle.name)
        answer = json.loads(open_answerer(config_of(tmp_path, bundle.name)).answer("signal", request))["answers"][0]
        assert answer["signal"] in ("CALM", "WATCH", "ALERT")
        assert all(np.isfinite(e["contribution"]) for e in answer["evidence"])


def test_product_that_was_not_trained_on_is_told_by_the_relative_label(answerer: Answerer) -> None:
    request = RowsOrFrames.model_validate_json(json.dumps(rows_body(row(product="DOGE-USD"))))
    assert json.loads(answerer.answer("predict", request))["answers"][0]["status"] == "ok"
