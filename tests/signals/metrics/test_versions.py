"""Hashes and versions of metrics: a change of meaning is a new row, a note is not."""

from dataclasses import fields, replace

import pytest

from tests.signals.metrics.reference import metric_of
from tickvol.core.errors import UsageError
from tickvol.signals.metrics.language import Direction, Group, Side, WindowUnit
from tickvol.signals.metrics.versions import diff

BASE = metric_of("ABOVE", 1.0)
CHANGES = {
    "anchor": "x",
    "direction": Direction.BELOW,
    "side": Side.SELL,
    "group": Group.VOLUME,
    "weight": 2.0,
    "reference": "r",
    "threshold_start": 1.5,
    "threshold_end": 2.0,
    "window_size": 2,
    "window_unit": WindowUnit.HOURS,
    "symbol": "BTC-USDT",
    "interval": "1h",
    "active": False,
}


def test_the_hash_of_a_definition_never_changes():
    assert BASE.definition_hash == "15b848d72455b69236da3cfc37708159e897b5e45f81fe10d3f134e1dbd2865b"


def test_code_version_and_note_have_no_part_in_the_hash():
    assert set(CHANGES) == {field.name for field in fields(BASE)} - {"code", "version", "note"}
    assert replace(BASE, code="N", version=7, note="why").definition_hash == BASE.definition_hash
    assert replace(BASE, threshold_start=-0.0).definition_hash == replace(BASE, threshold_start=0.0).definition_hash


@pytest.mark.parametrize("field", CHANGES)
def test_each_other_field_changes_the_hash(field):
    assert replace(BASE, **{field: CHANGES[field]}).definition_hash != BASE.definition_hash


def test_a_diff_names_new_changed_unchanged_superseded_and_absent():
    kept, old, gone = (replace(BASE, code=code, weight=w) for code, w in (("KEPT", 1.0), ("OLD", 2.0), ("GONE", 3.0)))
    older = replace(old, weight=9.0)
    old = replace(old, version=2)
    changed, new = replace(old, weight=5.0, version=1), replace(BASE, code="NEW", weight=6.0)
    found = diff([new, changed, replace(kept, note="text only")], [old, older, kept, gone])
    assert found.new == (new,)
    assert found.changed == (replace(changed, version=3),)
    assert found.superseded == (old,)
    assert found.unchanged == (kept,)
    assert found.absent == (gone,)
    assert found.to_store == (new, *found.changed)


def test_a_return_to_an_earlier_definition_is_a_new_version():
    first, second = BASE, replace(BASE, weight=2.0, version=2)
    assert diff([first], [first, second]).changed == (replace(first, version=3),)


def test_deactivation_is_a_new_version():
    assert diff([replace(BASE, active=False)], [BASE]).changed == (replace(BASE, active=False, version=2),)


def test_a_second_apply_of_one_file_changes_nothing():
    stored = diff([BASE], []).to_store
    again = diff([BASE], stored)
    assert again.to_store == ()
    assert again.unchanged == stored


def test_a_definition_that_another_stored_code_has_is_refused():
    with pytest.raises(UsageError, match="code: M, N: have one definition"):
        diff([replace(BASE, code="N")], [BASE])


def test_a_definition_may_move_from_one_code_to_another():
    moved = diff([replace(BASE, code="N"), replace(BASE, weight=4.0)], [BASE])
    assert [metric.code for metric in moved.to_store] == ["N", "M"]
