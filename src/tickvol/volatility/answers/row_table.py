"""Rows of a request to a feature table; each value's name and each row's time is validated."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import RequestError
from tickvol.volatility.answers.requests import FeatureRow
from tickvol.volatility.schema.feature_row import feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable


@dataclass(frozen=True, slots=True)
class RowTable:
    """The sorted table, and `order`: (n,) position of each request row in it."""

    table: FeatureTable
    order: NDArray[np.intp]


def table_of_rows(rows: Sequence[FeatureRow], spec: FeatureSpec, needed: Collection[str]) -> RowTable:
    """Table of rows in any order; a feature that is not needed may be absent and is unknown then.

    Parameters
    ----------
    rows : at least one.
    spec : the bars and windows that the names belong to.
    needed : features that each row must contain, possibly as null.

    Raises
    ------
    RequestError
        422 with the path of the field: a name that is not in the schema, a needed one that is absent, a time that
        is not a bar end, the same product and time twice.
    """
    names = feature_names(spec)
    known, required = frozenset(names), frozenset(needed)
    for place, row in enumerate(rows):
        _check(row, place, known, required, spec)
    products = tuple(sorted({row.product_id for row in rows}))
    number = {product_id: index for index, product_id in enumerate(products)}
    product = np.array([number[row.product_id] for row in rows], np.int32)
    bar_end_ns = np.array([row.bar_end_ns for row in rows], np.int64)
    values = np.array([[row.features.get(name) for name in names] for row in rows], np.float64)
    sorted_rows = np.lexsort((bar_end_ns, product))
    repeated = (np.diff(product[sorted_rows]) == 0) & (np.diff(bar_end_ns[sorted_rows]) == 0)
    if repeated.any():
        place = int(sorted_rows[1:][repeated][0])
        raise RequestError(422, f"rows[{place}].bar_end_ns", rows[place].bar_end_ns, "this product's bar comes twice")
    order = np.empty(len(rows), np.intp)
    order[sorted_rows] = np.arange(len(rows))
    table = FeatureTable(spec, products, product[sorted_rows], bar_end_ns[sorted_rows], values[sorted_rows])
    return RowTable(table, order)


def _check(row: FeatureRow, place: int, known: frozenset[str], required: frozenset[str], spec: FeatureSpec) -> None:
    given = row.features.keys()
    where = f"rows[{place}]"
    if not given <= known:
        name = min(given - known)
        raise RequestError(422, f"{where}.features.{name}", row.features[name], "no such feature in the served schema")
    if not required <= given:
        name = min(required - given)
        raise RequestError(422, f"{where}.features.{name}", None, "is required; give null where it is unknown")
    if row.bar_end_ns % spec.bar_ns:
        rule = f"must be the end of a bar, a multiple of {spec.bar_ns} ns"
        raise RequestError(422, f"{where}.bar_end_ns", row.bar_end_ns, rule)
