"""Short forms in which the tables of the warehouse are declared."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from tickvol.storage.warehouse.columns import CONVENTION, name_type

METADATA = sa.MetaData(naming_convention=CONVENTION)
"""All tables of the warehouse."""

IS_AUDIT = "is_audit"
"""Info of a column that tells when or how often something was done: it does not count in digests."""


def number(name: str, about: str, **options: Any) -> sa.Column[Any]:
    """An integer of 32 bits."""
    return sa.Column(name, sa.Integer, nullable=options.pop("nullable", False), comment=about, **options)


def small(name: str, about: str, **options: Any) -> sa.Column[Any]:
    """An integer of 16 bits."""
    return sa.Column(name, sa.SmallInteger, nullable=options.pop("nullable", False), comment=about, **options)


def big(name: str, about: str, **options: Any) -> sa.Column[Any]:
    """An integer of 64 bits."""
    return sa.Column(name, sa.BigInteger, nullable=options.pop("nullable", False), comment=about, **options)


def time_ms(name: str, about: str, **options: Any) -> sa.Column[Any]:
    """A time: milliseconds since 1970 UTC."""
    return big(name, f"{about} [ms since 1970 UTC]", **options)


def double(name: str, about: str, **options: Any) -> sa.Column[Any]:
    """A double, finite."""
    return sa.Column(name, sa.Double, nullable=options.pop("nullable", False), comment=about, **options)


def text(name: str, length: int, about: str, **options: Any) -> sa.Column[Any]:
    """Text of a limited length, compared by its bytes."""
    return sa.Column(name, name_type(length), nullable=options.pop("nullable", False), comment=about, **options)


def document(name: str, about: str) -> sa.Column[Any]:
    """Text of any length, such as canonical JSON."""
    kind = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql")  # TEXT ends at 64 KiB there
    return sa.Column(name, kind, nullable=False, comment=about)


def key(column: sa.Column[Any]) -> sa.Column[Any]:
    """The column as part of the primary key; the program gives the values, never the database."""
    column.primary_key = True
    column.autoincrement = False
    return column


def sha256(name: str, about: str, **options: Any) -> sa.Column[Any]:
    """A SHA-256, as 64 hexadecimal digits."""
    return text(name, 64, f"SHA-256 of {about}", **options)


def one_of(column: str, *values: str) -> sa.CheckConstraint:
    """The rule that a text is one of those listed."""
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)


def rule(name: str, expression: str) -> sa.CheckConstraint:
    """A rule that each row meets."""
    return sa.CheckConstraint(expression, name=name)
