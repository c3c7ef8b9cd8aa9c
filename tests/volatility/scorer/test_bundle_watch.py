"""The bundle that is served is exchanged when another is named, and never by one that cannot be used."""

import shutil

import pytest

from tests.support.brokers import ROOT
from tests.support.trained import bundles
from tickvol.config import load_config
from tickvol.core.errors import CorruptFile, InputError, SchemaMismatch
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.scorer.bundle_watch import BundleWatch, CurrentBundle

LOGISTIC, HAR = bundles()[-1], next(bundle for bundle in bundles() if bundle.name == "har")


@pytest.fixture
def place(tmp_path):
    return tmp_path / "bundle"


@pytest.fixture
def config(place, monkeypatch):
    monkeypatch.setenv("TICKVOL_SERVING__BUNDLE_DIR", str(place))
    monkeypatch.setenv("TICKVOL_SCORING__RELOAD_INTERVAL_S", "0.01")
    return load_config(ROOT / "config.yaml", env_file=None)


def test_a_bundle_is_read_once_until_its_mark_changes(config, place, monkeypatch):
    loads = []
    load = Bundle.load
    monkeypatch.setattr(Bundle, "load", lambda directory: loads.append(directory) or load(directory))
    watch = BundleWatch(config)
    with pytest.raises(InputError, match="is no bundle"):
        watch.changed()
    LOGISTIC.save(place)
    assert [watch.changed().version, watch.changed(), watch.changed()] == [LOGISTIC.version, None, None]
    HAR.save(place)
    assert watch.changed().version == HAR.version
    assert len(loads) == 2


def test_a_damaged_bundle_is_looked_at_again_until_it_is_whole(config, place):
    watch = BundleWatch(config)
    LOGISTIC.save(place)
    sums = (place / "SHA256SUMS").read_text()
    (place / "SHA256SUMS").write_text(sums.replace(sums[:8], "00000000"))
    for _ in range(2):
        with pytest.raises(CorruptFile):
            watch.changed()
    (place / "SHA256SUMS").write_text(sums)
    assert watch.changed().version == LOGISTIC.version


def test_a_bundle_of_other_features_is_refused(config, place, monkeypatch):
    monkeypatch.setenv("TICKVOL_FEATURES__GRACE_MS", "500")
    LOGISTIC.save(place)
    with pytest.raises(SchemaMismatch, match="train on these rows"):
        BundleWatch(load_config(ROOT / "config.yaml", env_file=None)).changed()


def test_what_cannot_be_used_never_takes_the_place_of_what_serves_and_is_told_once(config, place, caplog):
    served = CurrentBundle(config)
    LOGISTIC.save(place)
    served.open()
    shutil.rmtree(place)
    for _ in range(3):
        served._look()
    assert served.now().version == LOGISTIC.version
    assert (served.failures, served.changes) == (3, 0)
    assert len([record for record in caplog.records if "stays, looks again" in record.getMessage()]) == 1
    HAR.save(place)
    served._look()
    assert (served.now().version, served.changes) == (HAR.version, 1)
