"""The declared row: names, order and units, as `docs/feature_spec.md` states them."""

import re

import pytest

from tests.support import ROOT
from tickvol.volatility.schema.feature_row import SCHEMA_VERSION, feature_columns, feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec

PAGE = (ROOT / "docs" / "feature_spec.md").read_text()


def test_the_default_row_has_86_features_with_names_of_their_own() -> None:
    names = feature_names(FeatureSpec())
    assert len(names) == len(set(names)) == 86
    assert names[:3] == ("mid", "bar_log_return", "log_return_10")
    assert names[-1] == "week_share_new_york"


@pytest.mark.parametrize("windows_s", [(60,), (2, 60), (5, 60, 100)])
def test_columns_follow_the_windows(windows_s: tuple[int, ...]) -> None:
    names = feature_names(FeatureSpec(windows_s=windows_s))
    assert len(names) == 2 + 13 * len(windows_s) + 3 + (len(windows_s) - 1) + 6 + 6
    assert [name for name in names if name.startswith("coverage_")] == [f"coverage_{w}" for w in windows_s]


def test_the_page_lists_every_column_in_the_order_of_the_row() -> None:
    listed = re.findall(r"^\| `([a-z0-9_]+)` \| ", PAGE.split("## Columns")[1].split("## Look-back")[0], re.MULTILINE)
    spec = FeatureSpec(windows_s=(60,))
    names = [re.sub(r"_60$", "_w", name) for name in feature_names(spec)]
    for stem in ("ewma_vol", "tick_intensity"):
        first = names.index(f"{stem}_10")
        names[first : first + 3] = [f"{stem}_h"]
    assert [name for name in listed if name != "vol_ratio_a_b"] == names
    assert listed.index("vol_ratio_a_b") == listed.index("typical_vol") + 1


def test_the_page_states_the_unit_of_every_column() -> None:
    units = dict(re.findall(r"^\| `([a-z0-9_]+)` \| ([^|]+?) \|", PAGE.split("## Columns")[1], re.MULTILINE))
    for column in feature_columns(FeatureSpec(windows_s=(30, 60), reference_window_s=60)):
        by = "_h" if column.name.startswith(("ewma_vol", "tick_intensity")) else "_w"
        name = re.sub(r"_\d+$", by, column.name) if column.name not in units else column.name
        stated = units["vol_ratio_a_b" if column.name.startswith("vol_ratio") else name]
        assert column.unit == stated.replace("reference window", "60 s"), column.name


def test_the_page_speaks_of_this_schema_version() -> None:
    assert PAGE.startswith(f"# Features: schema version {SCHEMA_VERSION}\n")


def test_the_page_states_the_default_numbers() -> None:
    spec = FeatureSpec()
    stated = dict(re.findall(r"^\| `([a-z_]+)` \| ([0-9., ]+) \|", PAGE, re.MULTILINE))
    assert set(stated) == set(spec.__struct_fields__)
    for name, text in stated.items():
        value = getattr(spec, name)
        numbers = tuple(float(number) for number in text.split(","))
        assert numbers == (tuple(value) if isinstance(value, tuple) else (value,)), name
