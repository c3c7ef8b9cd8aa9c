"""Declarations of a table: columns with type and unit, key, and whether rows may ever change."""

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["bool", "int16", "int32", "int64", "float64", "text"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    unit : "" for names and counts.
    optional : whether it may be null; a float is never NaN or infinite.
    is_provenance : of the run that wrote the row, such as its id and times: not part of the table's digest.
    """

    name: str
    type: ColumnType
    about: str
    unit: str = ""
    optional: bool = False
    is_provenance: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """A table: what one row is, its columns in their order, and the columns that identify a row.

    Attributes
    ----------
    about : what one row stands for.
    key : none of them optional.
    append_only : rows are never changed or deleted.
    partition_by : columns by whose values the files are divided.
    follows_provenance : a row is also updated when nothing but its provenance differs.
    """

    name: str
    about: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    append_only: bool = False
    partition_by: tuple[str, ...] = ()
    follows_provenance: bool = False

    def __post_init__(self) -> None:
        names = self.names
        assert len(set(names)) == len(names), f"{self.name}: a column is declared twice"
        required = [column.name for column in self.columns if not column.optional]
        assert set(self.key) <= set(required), f"{self.name}: the key must be made of required columns"
        assert set(self.partition_by) <= set(required), f"{self.name}: partitions must be made of required columns"

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, in their order."""
        return tuple(column.name for column in self.columns)

    @property
    def content_names(self) -> tuple[str, ...]:
        """Names of the columns that the digest covers."""
        return tuple(column.name for column in self.columns if not column.is_provenance)

    @property
    def compared_names(self) -> tuple[str, ...]:
        """Names of the columns in which a row must differ from the stored one to be written."""
        return self.names if self.follows_provenance else self.content_names

    def column(self, name: str) -> Column:
        """The column of a name."""
        return next(column for column in self.columns if column.name == name)
