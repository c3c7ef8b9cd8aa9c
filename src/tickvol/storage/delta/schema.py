"""Comparison of columns with their declaration. Delta would cast float32, int32 or the text "1.0" without a word."""

import polars as pl
from deltalake import Field
from deltalake import Schema as DeltaSchema
from deltalake.schema import PrimitiveType

from tickvol.core.errors import SchemaMismatch
from tickvol.storage.delta.spec import Column, ColumnType, TableSpec

_POLARS: dict[ColumnType, pl.DataType] = {
    "bool": pl.Boolean(),
    "int16": pl.Int16(),
    "int32": pl.Int32(),
    "int64": pl.Int64(),
    "float64": pl.Float64(),
    "text": pl.String(),
}

_DELTA: dict[ColumnType, str] = {
    "bool": "boolean",
    "int16": "short",
    "int32": "integer",
    "int64": "long",
    "float64": "double",
    "text": "string",
}


def polars_schema(spec: TableSpec) -> pl.Schema:
    """Column names and types of a table's rows."""
    return pl.Schema({column.name: _POLARS[column.type] for column in spec.columns})


def delta_field(column: Column) -> Field:
    """A column as Delta stores it."""
    return Field(column.name, PrimitiveType(_DELTA[column.type]))


def check_rows_schema(spec: TableSpec, rows: pl.DataFrame) -> None:
    """Check that rows have exactly the declared columns; their order is free.

    Raises
    ------
    SchemaMismatch
        Names the table, the column and both types.
    """
    found = rows.schema
    for name in found:
        if name not in spec.names:
            raise SchemaMismatch(f"{spec.name}: column {name}: is {found[name]}, not declared; leave it out")
    for column in spec.columns:
        wanted = _POLARS[column.type]
        if column.name not in found:
            raise SchemaMismatch(f"{spec.name}: column {column.name}: is missing, declared as {wanted}; add it")
        if found[column.name] != wanted:
            raise SchemaMismatch(
                f"{spec.name}: column {column.name}: is {found[column.name]}, declared as {wanted}; convert it first"
            )


def columns_to_add(spec: TableSpec, stored: DeltaSchema) -> tuple[Column, ...]:
    """Declared columns that a stored table lacks and that a migration can add.

    Raises
    ------
    SchemaMismatch
        If the stored table differs from the declaration in another way.
    """
    found = {field.name: _name_of(field) for field in stored.fields}
    for name in found:
        if name not in spec.names:
            raise SchemaMismatch(f"{spec.name}: column {name}: is stored as {found[name]}, not declared; declare it")
    missing = []
    for column in spec.columns:
        wanted = _DELTA[column.type]
        if column.name not in found:
            if not column.optional:
                raise SchemaMismatch(
                    f"{spec.name}: column {column.name}: is not stored, declared as required {wanted}; "
                    "only optional columns can be added"
                )
            missing.append(column)
        elif found[column.name] != wanted:
            raise SchemaMismatch(
                f"{spec.name}: column {column.name}: is stored as {found[column.name]}, declared as {wanted}; "
                "a type cannot change, declare a column of another name"
            )
    return tuple(missing)


def _name_of(field: Field) -> str:
    return field.type.type if isinstance(field.type, PrimitiveType) else str(field.type)
