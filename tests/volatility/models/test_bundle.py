import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.synthetic import synthetic_table
from tests.volatility.models.conftest import train_all
from tickvol.core.errors import CorruptFile, InputError, SchemaMismatch, UsageError
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.bundle_files import CHECKSUMS, MANIFEST, write_files
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import LabelSpec

ALL = ("minus_trailing_vol", "window_ratio", "zscore", "ewma", "har", "logistic", "xgboost")


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize("name", ALL)
def test_a_bundle_read_back_says_the_same(
    bundles: dict[str, Bundle], table: FeatureTable, tmp_path: Path, name: str
) -> None:
    bundles[name].save(tmp_path / name)
    again = Bundle.load(tmp_path / name)
    assert again.version == bundles[name].version
    np.testing.assert_array_equal(again.probability(table), bundles[name].probability(table))
    np.testing.assert_array_equal(again.score(table), bundles[name].score(table))
    again.save(tmp_path / "again")
    assert contents(tmp_path / "again") == contents(tmp_path / name)


def test_the_same_seed_gives_the_same_bytes(bundles: dict[str, Bundle], table: FeatureTable, tmp_path: Path) -> None:
    again = train_all(table, LabelSpec())
    for name, bundle in bundles.items():
        bundle.save(tmp_path / "one" / name)
        again[name].save(tmp_path / "two" / name)
        assert contents(tmp_path / "one" / name) == contents(tmp_path / "two" / name), name


def test_no_clock_or_path_is_inside(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    bundles["xgboost"].save(tmp_path / "somewhere")
    for content in contents(tmp_path / "somewhere").values():
        assert b"somewhere" not in content
        assert str(Path.cwd()).encode() not in content


def test_rows_that_are_not_scorable_are_not_scored(bundles: dict[str, Bundle], table: FeatureTable) -> None:
    for bundle in bundles.values():
        scorable = bundle.scorable(table)
        assert 0 < scorable.sum() < len(table)
        np.testing.assert_array_equal(np.isfinite(bundle.probability(table)), scorable)
        reasons = np.array(bundle.unscorable_reasons(table), object)
        np.testing.assert_array_equal(reasons == None, scorable)  # noqa: E711


@pytest.mark.parametrize("name", ALL)
def test_one_row_says_the_same_as_many(bundles: dict[str, Bundle], table: FeatureTable, name: str) -> None:
    rows = np.flatnonzero(bundles[name].scorable(table))[::500]
    together = bundles[name].predict_matrix(table.values[rows])
    np.testing.assert_allclose(together, bundles[name].probability(table)[rows], rtol=1e-12)
    alone = [bundles[name].predict_matrix(table.values[row : row + 1])[0] for row in rows]
    np.testing.assert_allclose(alone, together, rtol=1e-12)


def test_evidence_adds_up_to_the_score(bundles: dict[str, Bundle], table: FeatureTable) -> None:
    part = table.take(np.flatnonzero(bundles["logistic"].scorable(table))[::100])
    for bundle in bundles.values():
        values, added = bundle.evidence(part)
        assert values.shape == added.shape == (len(part), len(bundle.input_names))
        constant = bundle.score(part) - added.sum(axis=1)
        np.testing.assert_allclose(constant, constant[0], rtol=1e-4, atol=1e-5)


def test_only_needed_features_matter(bundles: dict[str, Bundle], table: FeatureTable) -> None:
    for bundle in bundles.values():
        needed = [table.names.index(name) for name in bundle.needed]
        values = np.full_like(table.values, np.nan)
        values[:, needed] = table.values[:, needed]
        rows = bundle.scorable(table)
        np.testing.assert_array_equal(bundle.predict_matrix(values[rows]), bundle.probability(table)[rows])
    assert not {"mid", "time_of_day_sin", "time_of_day_cos"} & set(bundles["xgboost"].needed)


def test_absolute_bundle_compares_with_its_products_threshold(
    absolute_bundles: dict[str, Bundle], table: FeatureTable
) -> None:
    bundle = absolute_bundles["ewma"]
    rows = np.flatnonzero(bundle.scorable(table))[::700]
    part = table.take(rows)
    products = [table.products[place] for place in part.product]
    expected = np.log(
        part.column("ewma_vol_60") / [bundle.manifest.spike_thresholds.by_product[name] for name in products]
    )
    np.testing.assert_allclose(bundle.score(part), expected, rtol=1e-12)
    np.testing.assert_allclose(
        bundle.predict_matrix(part.values, bundle.references(products)), bundle.probability(part)
    )


def test_absolute_bundle_knows_no_product_that_it_was_not_trained_on(absolute_bundles: dict[str, Bundle]) -> None:
    stranger = synthetic_table(5, hours=1, products=("SOL-USD",))
    bundle = absolute_bundles["logistic"]
    assert not bundle.scorable(stranger).any()
    assert np.isnan(bundle.probability(stranger)).all()
    assert "SOL-USD" in str(bundle.unscorable_reasons(stranger)[-1])


@pytest.mark.parametrize("name", ["logistic", "xgboost"])
def test_a_flipped_bit_anywhere_is_refused_by_name(bundles: dict[str, Bundle], tmp_path: Path, name: str) -> None:
    bundles[name].save(tmp_path / name)
    for path in sorted((tmp_path / name).iterdir()):
        whole = path.read_bytes()
        for place in np.linspace(0, len(whole) - 2, 40).astype(int):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
            with pytest.raises(CorruptFile) as caught:
                Bundle.load(tmp_path / name)
            assert path.name in str(caught.value) or path.name == CHECKSUMS
        path.write_bytes(whole)
    Bundle.load(tmp_path / name)


@pytest.mark.parametrize("missing", [CHECKSUMS, "booster.ubj"])
def test_an_absent_file_is_refused_by_name(bundles: dict[str, Bundle], tmp_path: Path, missing: str) -> None:
    bundles["xgboost"].save(tmp_path / "b")
    (tmp_path / "b" / missing).unlink()
    with pytest.raises(CorruptFile, match=missing):
        Bundle.load(tmp_path / "b")


def test_a_booster_that_the_manifest_does_not_mean_is_refused(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    bundles["xgboost"].save(tmp_path / "b")
    write_files(tmp_path / "b", {MANIFEST: contents(tmp_path / "b")[MANIFEST], "booster.ubj": b"another"})
    with pytest.raises(CorruptFile, match=r"booster\.ubj"):
        Bundle.load(tmp_path / "b")


@pytest.mark.parametrize(
    ("field", "value"),
    [("bundle_version", 1), ("feature_schema_version", 99), ("family", "forest"), ("features", ["mid"])],
)
def test_a_bundle_of_another_version_is_refused(
    bundles: dict[str, Bundle], tmp_path: Path, field: str, value: object
) -> None:
    bundles["har"].save(tmp_path / "b")
    manifest = json.loads(contents(tmp_path / "b")[MANIFEST]) | {field: value}
    write_files(tmp_path / "b", {MANIFEST: json.dumps(manifest).encode()})
    with pytest.raises(SchemaMismatch):
        Bundle.load(tmp_path / "b")


def test_rows_of_another_spec_are_refused(bundles: dict[str, Bundle]) -> None:
    for spec in (FeatureSpec(grace_ms=0), FeatureSpec(windows_s=(10, 60, 300))):
        with pytest.raises(SchemaMismatch, match="train on these rows"):
            bundles["har"].probability(synthetic_table(1, hours=0.1, spec=spec))


def test_rows_of_another_schema_version_are_refused(bundles: dict[str, Bundle], table: FeatureTable) -> None:
    with pytest.raises(SchemaMismatch):
        bundles["har"].probability(replace(table, schema_version=99))


@pytest.mark.parametrize("name", ["model.pkl", "model.PICKLE", "scaler.joblib"])
def test_a_pickle_is_refused_and_the_bundle_to_use_named(bundles: dict[str, Bundle], tmp_path: Path, name: str) -> None:
    bundles["har"].save(tmp_path / "har")
    (tmp_path / name).write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(UsageError, match=f"pickles are never opened.*{tmp_path / 'har'}"):
        Bundle.load(tmp_path / name)


def test_a_pickle_of_a_bundles_name_names_that_bundle(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    for name in ("ewma", "har"):
        bundles[name].save(tmp_path / name)
    with pytest.raises(UsageError, match=str(tmp_path / "har")):
        Bundle.load(tmp_path / "har.pkl")


def test_a_directory_without_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no bundle"):
        Bundle.load(tmp_path)


def test_saving_replaces_a_bundle_and_nothing_else(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    bundles["xgboost"].save(tmp_path / "b")
    bundles["har"].save(tmp_path / "b")
    assert sorted(contents(tmp_path / "b")) == [CHECKSUMS, MANIFEST]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    with pytest.raises(InputError, match="is no bundle; nothing was replaced"):
        bundles["har"].save(tmp_path / "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "mine"]


def test_checksums_are_those_of_sha256sum(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    bundles["xgboost"].save(tmp_path / "b")
    lines = dict(reversed(line.split("  ")) for line in (tmp_path / "b" / CHECKSUMS).read_text().splitlines())
    assert lines[MANIFEST] == bundles["xgboost"].version
    assert lines["booster.ubj"] == bundles["xgboost"].manifest.files["booster.ubj"]
