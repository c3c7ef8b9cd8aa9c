import socket
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from pydantic import ValidationError

from tests.support.stores import new_store
from tests.support.synthetic import synthetic_table
from tests.volatility.models.conftest import TRAINING, provenance
from tickvol.core.errors import InputError, TrackingUnavailable
from tickvol.tracking.settings import MlflowConfig
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.training import prepare, train_detectors
from tickvol.volatility.registry.runs import (
    DetectorRecord,
    Registered,
    alias_source,
    log_training,
    register,
    resolve_alias,
)
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import LabelSpec

AT = "2026-04-06T00:00:00Z"

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow"),
]
"""MLflow uses loaders that SQLAlchemy will drop and warns of its own type hints; that is theirs to mend."""


def settings(directory: Path, uri: str | None = None) -> MlflowConfig:
    return MlflowConfig(
        tracking_uri=uri or f"sqlite:///{directory}/store/mlflow.db",
        artifacts_dir=directory / "artifacts",
        ledger_dir=directory / "ledgers",
        experiment="tests",
        registered_model="tests-spike",
        request_timeout_s=4,
        request_max_retries=1,
        port=5000,
    )


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("REQUEST_TIMEOUT", "REQUEST_MAX_RETRIES"):
            patch.setenv(f"MLFLOW_HTTP_{name}", "")
            patch.delenv(f"MLFLOW_HTTP_{name}")
        yield


@pytest.fixture(scope="module")
def table() -> FeatureTable:
    return synthetic_table(1, hours=4, products=("BTC-USD", "ETH-USD"))


@pytest.fixture(scope="module")
def bundles(table: FeatureTable) -> list[Bundle]:
    prepared = prepare(table, LabelSpec(), TRAINING)
    found = {bundle.name: bundle for bundle in train_detectors(prepared, TRAINING, "xgboost", provenance(table))}
    return [found["har"], found["xgboost"]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> MlflowConfig:
    directory = tmp_path_factory.mktemp("mlflow")
    new_store(directory / "store" / "mlflow.db")
    return settings(directory)


def log(store: MlflowConfig, bundles: list[Bundle], best: Bundle, directory: Path) -> Registered:
    for bundle in bundles:
        bundle.save(directory / bundle.name)
    records = [
        DetectorRecord(
            bundle=bundle,
            directory=directory / bundle.name,
            metrics={"test.pr_auc": 0.5, "test.product.ETH-USD.pr_auc": None},
            figures={"timeline.png": Figure()},
        )
        for bundle in bundles
    ]
    return log_training(store, params={"seed": 7}, figures={"pr.png": Figure()}, records=records, best=best, at=AT)


@pytest.fixture(scope="module")
def registered(
    store: MlflowConfig, bundles: list[Bundle], tmp_path_factory: pytest.TempPathFactory
) -> list[Registered]:
    """The first and the second training; another detector is best in each."""
    directory = tmp_path_factory.mktemp("bundles")
    return [log(store, bundles, best, directory) for best in bundles]


def test_the_first_best_is_champion_and_later_ones_are_challengers(registered: list[Registered]) -> None:
    assert [entry.aliases for entry in registered] == [("challenger", "champion"), ("challenger",)]
    assert [entry.version for entry in registered] == ["1", "2"]


def test_a_simulated_champion_gives_way_to_the_first_real_version(
    registered: list[Registered], store: MlflowConfig
) -> None:
    import mlflow

    uri = mlflow.MlflowClient().get_model_version("tests-spike", "1").source
    other = store.model_copy(update={"registered_model": "tests-simulated-first"})
    aliases = [register(other, uri, simulated=simulated, at=AT).aliases for simulated in (True, True, False, False)]
    both, one = ("challenger", "champion"), ("challenger",)
    assert aliases == [both, one, both, one]


def test_an_alias_leads_to_the_bundle_that_was_registered(
    store: MlflowConfig, registered: list[Registered], bundles: list[Bundle]
) -> None:
    assert Bundle.load(resolve_alias(store, "champion")).version == bundles[0].version
    assert Bundle.load(resolve_alias(store, "challenger")).version == bundles[1].version


def test_where_an_alias_leads_is_told_without_fetching_it_and_changes_when_it_moves(
    store: MlflowConfig, registered: list[Registered], monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", lambda *_, **__: pytest.fail("fetched"))
    client, name = mlflow.MlflowClient(store.tracking_uri), store.registered_model
    places = []
    for version in ("1", "1", "2"):
        client.set_registered_model_alias(name, "moving", version)
        places.append(alias_source(store, "moving"))
    assert places[0] == places[1] != places[2]
    with pytest.raises(InputError, match="no such alias"):
        alias_source(store, "nobody")


def test_an_alias_that_nobody_gave_is_an_error(store: MlflowConfig, registered: list[Registered]) -> None:
    with pytest.raises(InputError, match="no such alias"):
        resolve_alias(store, "nobody")


def test_an_empty_registry_has_no_champion(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such alias"):
        resolve_alias(settings(tmp_path))


def test_artifacts_that_are_gone_are_an_error(
    store: MlflowConfig, registered: list[Registered], tmp_path: Path
) -> None:
    path = resolve_alias(store, "champion")
    path.rename(tmp_path / "aside")
    try:
        with pytest.raises(InputError, match="train again"):
            resolve_alias(store, "champion")
    finally:
        (tmp_path / "aside").rename(path)


def test_a_run_holds_parameters_metrics_figures_and_the_bundle(
    store: MlflowConfig, registered: list[Registered], bundles: list[Bundle]
) -> None:
    import mlflow

    client = mlflow.MlflowClient(store.tracking_uri)
    experiment = client.get_experiment_by_name("tests")
    assert experiment is not None
    assert Path(experiment.artifact_location.removeprefix("file://")) == store.artifacts_dir
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"train", "har", "xgboost"}
    assert runs["train"].data.params["seed"] == "7"
    assert runs["har"].data.metrics == {"test.pr_auc": 0.5}
    assert runs["har"].data.params["bundle_hash"] == bundles[0].version
    assert runs["har"].data.tags["mlflow.parentRunId"]
    assert [file.path for file in client.list_artifacts(runs["har"].info.run_id, "figures")] == ["figures/timeline.png"]
    assert [file.path for file in client.list_artifacts(runs["train"].info.run_id, "figures")] == ["figures/pr.png"]


def test_mlflow_loads_the_bundle_without_a_pickle(
    store: MlflowConfig, registered: list[Registered], bundles: list[Bundle], table: FeatureTable
) -> None:
    import mlflow

    directory = resolve_alias(store, "champion").parent.parent
    assert not [path for path in directory.rglob("*") if path.suffix == ".pkl"]
    rows = table.take(np.flatnonzero(bundles[0].scorable(table))[:20])
    loaded = mlflow.pyfunc.load_model(str(directory))
    found = loaded.predict(pd.DataFrame(rows.values, columns=list(rows.names)))
    np.testing.assert_array_equal(found, bundles[0].probability(rows))


def test_a_server_that_does_not_answer_is_an_error_within_ten_seconds(bundles: list[Bundle], tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused and no one else takes the port
        away = settings(tmp_path, f"http://127.0.0.1:{held.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(TrackingUnavailable, match=r"mlflow\.tracking_uri: http://127\.0\.0\.1"):
            log(away, bundles, bundles[0], tmp_path)
        with pytest.raises(TrackingUnavailable):
            resolve_alias(away)
    assert time.monotonic() - started < 10


def test_waiting_longer_than_ten_seconds_cannot_be_configured(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="must be below 10"):
        MlflowConfig(**settings(tmp_path).model_dump() | {"request_timeout_s": 5})


def test_a_server_that_never_speaks_is_an_error_in_the_configured_time(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        mute = settings(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}").model_copy(
            update={"request_timeout_s": 1}
        )
        started = time.monotonic()
        with pytest.raises(TrackingUnavailable):
            resolve_alias(mute)
    assert 1 < time.monotonic() - started < 6


@pytest.mark.parametrize("content", [b"this is no database, whatever its name says" * 100, None])
def test_a_store_that_is_no_database_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / "store").mkdir()
    if content is None:
        (tmp_path / "store" / "mlflow.db").mkdir()
    else:
        (tmp_path / "store" / "mlflow.db").write_bytes(content)
    with pytest.raises(TrackingUnavailable, match="train with --no-tracking"):
        resolve_alias(settings(tmp_path))
