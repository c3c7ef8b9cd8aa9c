"""Rows of a log, computed once more, are the dataset's; what differs by one bit is counted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.parity.test_replay_parity import Frame, market, write_archive
from tests.support import ROOT
from tickvol.apps import replay
from tickvol.config import Config, load_config
from tickvol.core.errors import SchemaMismatch
from tickvol.volatility.dataset import read_features
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.workflows.leakcheck_log import LogFiles
from tickvol.volatility.workflows.log_parity import log_parity

BEGIN = 900
"""Frames that the shorter log lacks."""


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return market(1, seconds=3000)


@pytest.fixture(scope="module")
def archive(frames: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("log") / "a.ndjson", frames)


@pytest.fixture(scope="module")
def table(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> FeatureTable:
    out = tmp_path_factory.mktemp("data") / "features.parquet"
    assert replay.main(["--config", str(ROOT / "config.yaml"), "--out", str(out), "--data-file", str(archive)]) == 0
    return read_features(out)


@pytest.fixture
def config() -> Config:
    return load_config(ROOT / "config.yaml", env_file=None)


def parity(config: Config, table: FeatureTable, archive: Path) -> tuple[int, int]:
    log = LogFiles(paths=(archive,), ingestion=config.ingestion, batch_size=config.features.batch_size)
    return log_parity(config.features.spec(), config.products, table, log)


def test_a_log_gives_the_rows_of_its_dataset_but_for_the_first_look_back(
    config: Config, table: FeatureTable, archive: Path
) -> None:
    compared, differing = parity(config, table, archive)
    assert differing == 0
    assert len(table) - 2 * table.spec.lookback_s - 50 < compared < len(table)


def test_a_log_that_begins_in_the_middle_gives_the_same_rows(
    config: Config, table: FeatureTable, frames: list[Frame], tmp_path: Path
) -> None:
    compared, differing = parity(config, table, write_archive(tmp_path / "b.ndjson", frames[BEGIN:]))
    assert compared > 500
    assert differing == 0


def test_a_log_that_began_before_the_dataset_gives_the_same_rows(
    config: Config, frames: list[Frame], archive: Path, tmp_path: Path
) -> None:
    out, later = tmp_path / "later.parquet", write_archive(tmp_path / "b.ndjson", frames[BEGIN:])
    assert replay.main(["--config", str(ROOT / "config.yaml"), "--out", str(out), "--data-file", str(later)]) == 0
    compared, differing = parity(config, read_features(out), archive)
    assert compared > 500
    assert differing == 0


def test_a_single_bit_and_a_lost_row_are_counted(config: Config, table: FeatureTable, archive: Path) -> None:
    values = table.values.copy()
    values[-10, 3] = np.nextafter(values[-10, 3], np.inf) if np.isfinite(values[-10, 3]) else 0.0
    assert parity(config, replace(table, values=values), archive)[1] == 1
    kept = np.ones(len(table), np.bool_)
    kept[-10] = False
    assert parity(config, table.take(kept), archive)[1] == 1


def test_rows_of_other_settings_are_refused(config: Config, table: FeatureTable, archive: Path) -> None:
    with pytest.raises(SchemaMismatch, match="--log"):
        parity(config, replace(table, spec=FeatureSpec(grace_ms=500)), archive)
