"""Writes of a table: inserted, updated, deleted and unchanged rows as a dictionary has them, and refusals."""

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.storage.delta.toy_tables import lake_in, row, rows_of
from tickvol.core.errors import InputError, KeyConflict, UsageError
from tickvol.storage.delta.spec import Column, TableSpec
from tickvol.storage.delta.table import LakeTable, Written

PRODUCTS = ("A", "B'; --", "Ü")
NOTES = st.sampled_from([None, "", "it's", "null"])
ROWS = st.dictionaries(
    st.tuples(st.sampled_from(PRODUCTS), st.integers(-2, 2)),
    st.tuples(
        st.none() | st.sampled_from([0.0, -0.0, 0.1, 1e308, 5e-324]),
        st.sampled_from([1.0, 2.0]),
        st.sampled_from([None, True, False]),
        st.sampled_from([-32768, 0, 32767]),
        NOTES,
    ),
    max_size=6,
)
STEPS = st.lists(st.tuples(st.sampled_from(["merge", "replace", "replace product", "maintain"]), ROWS), max_size=4)

Model = dict[tuple[str, int], tuple[object, ...]]


def frame(model: Model, run_id: str) -> pl.DataFrame:
    return rows_of(*(key + values for key, values in model.items()), run_id=run_id)


def contents(table: LakeTable, **options: int) -> Model:
    rows = table.read(**options).drop("run_id").rows()
    assert rows == sorted(rows, key=lambda values: (values[0].encode(), values[1]))
    return {values[:2]: values[2:] for values in rows}


def counts(before: Model, after: Model, given: Model) -> tuple[int, int, int, int]:
    updated = [key for key in before.keys() & given.keys() if before[key] != given[key]]
    return (
        len(given.keys() - before.keys()),
        len(updated),
        len(before.keys() - after.keys()),
        len(before.keys() & given.keys()) - len(updated),
    )


def apply(table: LakeTable, model: Model, step: str, given: Model, run_id: str) -> tuple[Model, Written]:
    if step == "merge":
        return model | given, table.merge(frame(given, run_id), run_id=run_id)
    if step == "replace":
        return given, table.replace(frame(given, run_id), run_id=run_id)
    given = {key: values for key, values in given.items() if key[0] == PRODUCTS[1]}
    kept = {key: values for key, values in model.items() if key[0] != PRODUCTS[1]}
    where = {"product_id": PRODUCTS[1]}
    return kept | given, table.replace(frame(given, run_id), run_id=run_id, where=where)


def follow(name: str, steps: list[tuple[str, Model]]) -> None:
    with TemporaryDirectory() as directory:
        table = lake_in(Path(directory)).table(name)
        model: Model = {}
        versions: dict[int, tuple[Model, str]] = {}
        for number, (step, given) in enumerate(steps):
            if step == "maintain":
                table.compact()
                continue
            if step == "replace product":
                given = {key: values for key, values in given.items() if key[0] == PRODUCTS[1]}
            version = table.version()
            after, written = apply(table, model, step, given, f"run {number}")
            found = (written.inserted, written.updated, written.deleted, written.unchanged)
            base = {k: v for k, v in model.items() if step != "replace product" or k[0] == PRODUCTS[1]}
            expected_after = {k: v for k, v in after.items() if step != "replace product" or k[0] == PRODUCTS[1]}
            assert found == counts(base, expected_after, given)
            assert contents(table) == after
            assert (written.version_before, written.version_after) == (version, table.version())
            assert (table.version() == version) == (model == after)
            model = after
            if (now := table.version()) is not None:
                versions[now] = (model, table.digest())
        for version, (rows, digest) in versions.items():
            assert contents(table, version=version) == rows
            assert table.digest(version=version) == digest
        fresh = lake_in(Path(directory) / "fresh").table(name)
        fresh.merge(frame(model, "another run").reverse(), run_id="another run")
        assert fresh.digest() == table.digest()


@settings(max_examples=20)
@given(steps=STEPS)
@pytest.mark.parametrize("name", ["flat", "divided"])
def test_writes_leave_the_rows_that_a_dictionary_would_have(name: str, steps: list[tuple[str, Model]]) -> None:
    follow(name, steps)


@pytest.mark.slow
@settings(max_examples=150)
@given(steps=STEPS)
@pytest.mark.parametrize("name", ["flat", "divided"])
def test_many_writes_leave_the_rows_that_a_dictionary_would_have(name: str, steps: list[tuple[str, Model]]) -> None:
    follow(name, steps)


@settings(max_examples=20)
@given(batches=st.lists(ROWS, max_size=4))
def test_appends_add_new_rows_and_never_change_one(batches: list[Model]) -> None:
    with TemporaryDirectory() as directory:
        table = lake_in(Path(directory)).table("log")
        model: Model = {}
        for number, batch in enumerate(batches):
            version = table.version()
            conflicts = [key for key in batch.keys() & model.keys() if batch[key] != model[key]]
            if conflicts:
                with pytest.raises(KeyConflict, match=r"log: product_id=.*, number=-?\d: is stored with other values"):
                    table.append(frame(batch, f"run {number}"), run_id=f"run {number}")
                assert table.version() == version
            else:
                written = table.append(frame(batch, f"run {number}"), run_id=f"run {number}")
                assert written.inserted == len(batch.keys() - model.keys())
                assert written.unchanged == len(batch.keys() & model.keys())
                model |= batch
            assert contents(table) == model


def test_equal_content_of_another_run_makes_no_version(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    first, again = rows_of(row(), row(number=2, price=None)), rows_of(row(), row(number=2, price=None), run_id="run 2")
    for name, write in (("flat", "merge"), ("divided", "replace"), ("log", "append")):
        table = lake.table(name)
        getattr(table, write)(first, run_id="run 1")
        assert getattr(table, write)(again, run_id="run 2") == Written(name, 0, 0, 0, 2, 0, 0)
        assert table.read()["run_id"].to_list() == ["run 1", "run 1"]


def test_no_rows_make_no_table(tmp_path: Path) -> None:
    table = lake_in(tmp_path).table("flat")
    assert table.merge(rows_of(), run_id="run 1") == Written("flat", 0, 0, 0, 0, None, None)
    assert (table.exists(), table.version(), table.history(), table.files(), table.size_bytes()) == (
        False,
        None,
        [],
        0,
        0,
    )


def test_the_first_commit_has_rows_and_each_commit_its_run(tmp_path: Path) -> None:
    table = lake_in(tmp_path).table("flat")
    table.merge(rows_of(row()), run_id="run 1")
    table.merge(rows_of(row(price=7.0), row(number=2)), run_id="run 2")
    table.replace(rows_of(row(number=3)), run_id="run 3")
    found = [(commit.version, commit.run_id, commit.rows_added, commit.rows_removed) for commit in table.history()]
    assert found == [(2, "run 3", 1, 2), (1, "run 2", 2, 1), (0, "run 1", 1, 0)]
    assert [commit.version for commit in table.history(1)] == [2]
    assert all(commit.time_us > 1_700_000_000_000_000 for commit in table.history())


def test_rows_outside_of_those_to_replace_are_refused(tmp_path: Path) -> None:
    table = lake_in(tmp_path).table("flat")
    table.merge(rows_of(row("A"), row("B")), run_id="run 1")
    with pytest.raises(InputError, match=r"flat: column product_id: .* \"product_id\" = 'A'; first product_id='B'"):
        table.replace(rows_of(row("B", 9)), run_id="run 2", where={"product_id": "A"})
    assert table.version() == 0


def test_a_replaced_row_must_not_take_the_key_of_a_row_that_stays(tmp_path: Path) -> None:
    table = lake_in(tmp_path).table("flat")
    table.merge(rows_of(row("A"), ("A", 2, 1.0, 1.0, True, 4, None)), run_id="run 1")
    with pytest.raises(KeyConflict, match="flat: product_id='A', number=1: is stored in a row that is not replaced"):
        table.replace(rows_of(("A", 1, 1.0, 1.0, True, 4, None)), run_id="run 2", where={"count": 4})
    table.replace(rows_of(("A", 3, 1.0, 1.0, True, 4, None)), run_id="run 2", where={"count": 4})
    assert table.read()["number"].to_list() == [1, 3]


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ({"nope": 1}, "where: column 'nope': 1: must be one of product_id, number"),
        ({"note": "x"}, "where: column 'note': 'x': an optional or float64 column cannot choose rows"),
        ({"size": 1.0}, "where: column 'size': 1.0: an optional or float64 column"),
        ({"product_id": 5}, "where: column 'product_id': 5: must be of type text"),
        ({"number": True}, "where: column 'number': True: must be of type int32"),
    ],
)
def test_a_choice_of_rows_by_a_wrong_column_or_value_is_refused(
    tmp_path: Path, where: dict[str, object], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        lake_in(tmp_path).table("flat").replace(rows_of(), run_id="run 1", where=where)


@pytest.mark.parametrize("write", ["merge", "replace"])
def test_an_append_only_table_refuses_to_change(tmp_path: Path, write: str) -> None:
    with pytest.raises(UsageError, match=f"log: {write}: rows of this table never change"):
        getattr(lake_in(tmp_path).table("log"), write)(rows_of(row()), run_id="run 1")


def test_delta_itself_refuses_to_change_an_append_only_table(tmp_path: Path) -> None:
    table = lake_in(tmp_path).table("log")
    table.append(rows_of(row()), run_id="run 1")
    delta = DeltaTable(str(table.path))
    with pytest.raises(CommitFailedError, match="append-only"):
        delta.delete("number = 1")
    with pytest.raises(CommitFailedError, match="append-only"):
        write_deltalake(delta, rows_of(row(price=9.0)), mode="overwrite")
    with pytest.raises(CommitFailedError, match="append-only"):
        delta.merge(
            rows_of(row(price=9.0)), "t.number = s.number", source_alias="s", target_alias="t"
        ).when_matched_update_all().execute()
    assert table.read().equals(rows_of(row()))


def test_long_keys_and_keys_of_floats_are_found_again(tmp_path: Path) -> None:
    spec = TableSpec(
        name="keys",
        about="",
        columns=(Column("text", "text", ""), Column("level", "float64", ""), Column("value", "int64", "")),
        key=("text", "level"),
    )
    table = lake_in(tmp_path, (spec,)).table("keys")
    keys = [("x" * 100 + "\U0010ffff", 0.05), ("x" * 100 + "\U0010ffff", 0.1 + 0.2), ("x" * 100, 0.0), ("", -1e300)]
    rows = pl.DataFrame({"text": [k for k, _ in keys], "level": [v for _, v in keys], "value": [1, 2, 3, 4]})
    table.merge(rows, run_id="run 1")
    assert table.merge(rows, run_id="run 2").unchanged == 4
    changed = rows.with_columns(pl.col("value") + (pl.col("level") == 0.05))
    assert table.merge(changed, run_id="run 3") == Written("keys", 0, 1, 0, 3, 0, 1)
    assert table.read().equals(changed.sort("text", "level"))


def test_merge_of_more_rows_than_one_batch_of_delta_changes_only_what_differs(tmp_path: Path) -> None:
    table = lake_in(tmp_path).table("flat")
    numbers = pl.DataFrame({"number": pl.arange(0, 20_000, dtype=pl.Int32, eager=True)})
    rows = numbers.join(rows_of(row()).drop("number"), how="cross").select(rows_of().columns)
    table.merge(rows, run_id="run 1")
    changed = rows.with_columns(price=pl.when(pl.col("number") % 2 == 0).then(None).otherwise("price"))
    assert table.merge(changed, run_id="run 2") == Written("flat", 0, 10_000, 0, 10_000, 0, 1)
    assert table.read().equals(changed)
