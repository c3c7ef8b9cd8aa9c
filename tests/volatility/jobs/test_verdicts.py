"""What must hold before anything is built on features or bundles."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.orchestration.conftest import NOW_NS
from tests.support.datasets import write_dataset
from tests.support.trained import bundles, market
from tests.volatility.promotion.store import config
from tickvol.volatility.jobs.verdicts import (
    BUNDLES,
    FRESH,
    NOT_EMPTY,
    ONE_SPEC,
    CheckResult,
    bundles_verdict,
    features_verdicts,
)

HOUR_NS = 3600 * 10**9


def judged(now_ns: int = NOW_NS) -> dict[str, CheckResult]:
    found = features_verdicts(config(), now_ns)
    assert [verdict.name for verdict in found] == [NOT_EMPTY, ONE_SPEC, FRESH]
    return {verdict.name: verdict for verdict in found}


def shut(verdicts: dict[str, CheckResult]) -> set[str]:
    return {name for name, verdict in verdicts.items() if not verdict.passed}


def test_a_whole_and_fresh_dataset_passes(place: Path) -> None:
    assert shut(judged()) == set()


def test_age_counts_from_the_newest_row_and_the_limit_still_passes(place: Path) -> None:
    newest = NOW_NS - HOUR_NS
    assert shut(judged(newest + 26 * HOUR_NS)) == set()
    late = judged(newest + 26 * HOUR_NS + HOUR_NS // 5)
    assert shut(late) == {FRESH}
    assert "26.2 h old, schedules.max_age_h is 26" in late[FRESH].reason


def test_the_product_that_is_furthest_behind_decides(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = market(0, hours=4.0)
    old = table.take((table.product == 0) | (table.bar_end_ns < table.bar_end_ns.min() + HOUR_NS))
    monkeypatch.setenv("TICKVOL_FEATURES__DATASET_DIR", str(write_dataset(place / "old", old)))
    late = judged(NOW_NS + 24 * HOUR_NS)
    assert shut(late) == {FRESH}
    assert "the newest row of ETH-USD is 28.0 h old" in late[FRESH].reason


def test_no_dataset_and_an_empty_directory_pass_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "empty").mkdir()
    for name in ("nowhere", "empty"):
        monkeypatch.setenv("TICKVOL_FEATURES__DATASET_DIR", str(place / name))
        found = judged()
        assert shut(found) == {NOT_EMPTY, ONE_SPEC, FRESH}
        assert name in found[NOT_EMPTY].reason
        assert "not judged" in found[FRESH].reason


def test_a_configured_product_without_a_row_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKVOL_PRODUCTS", '["BTC-USD", "SOL-USD"]')
    found = judged()
    assert shut(found) == {NOT_EMPTY}
    assert "no row of SOL-USD" in found[NOT_EMPTY].reason


def test_rows_of_other_settings_are_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKVOL_FEATURES__GRACE_MS", "500")
    assert shut(judged()) == {ONE_SPEC}


def test_rows_of_two_settings_in_one_directory_are_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = market(0, hours=4.0)
    root = write_dataset(place / "mixed", table)
    other = market(1, hours=1.0)
    write_dataset(root, replace(other, spec=replace_grace(other.spec)))
    monkeypatch.setenv("TICKVOL_FEATURES__DATASET_DIR", str(root))
    found = judged()
    assert shut(found) == {NOT_EMPTY, ONE_SPEC, FRESH}
    assert "another spec" in found[ONE_SPEC].reason


def replace_grace(spec):  # type: ignore[no-untyped-def]
    import msgspec

    return msgspec.structs.replace(spec, grace_ms=500)


def test_a_flipped_byte_passes_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_dataset(place / "torn", market(0, hours=1.0))
    victim = next(root.rglob("*.parquet"))
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    monkeypatch.setenv("TICKVOL_FEATURES__DATASET_DIR", str(root))
    found = judged()
    assert shut(found) == {NOT_EMPTY, ONE_SPEC, FRESH}
    assert victim.name in found[NOT_EMPTY].reason


def test_bundles_must_be_there_whole_and_answer(place: Path) -> None:
    assert "holds no bundle" in bundles_verdict(config()).reason
    for bundle in bundles(0):
        bundle.save(config().models.artifacts_dir / bundle.name)
    found = bundles_verdict(config())
    assert (found.name, found.passed) == (BUNDLES, True)
    assert "logistic" in found.reason
    victim = next((config().models.artifacts_dir / "logistic").glob("*.json"))
    victim.write_bytes(victim.read_bytes().replace(b"1", b"2", 1))
    found = bundles_verdict(config())
    assert not found.passed
    assert "SHA-256" in found.reason


def test_a_bundle_that_answers_nan_does_not_pass(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logistic = next(bundle for bundle in bundles(0) if bundle.name == "logistic")
    logistic.save(config().models.artifacts_dir / "logistic")
    monkeypatch.setattr(type(logistic), "probability", lambda *_: float("nan"))
    found = bundles_verdict(config())
    assert not found.passed
    assert "no finite probability" in found.reason
