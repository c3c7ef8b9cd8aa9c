"""Feature rows as columns in memory: read from storage, used by labels, models and reports."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import SchemaMismatch
from tickvol.core.times import NS_PER_S
from tickvol.volatility.schema.feature_row import SCHEMA_VERSION, feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Feature rows of several products, sorted by (product, bar_end_ns), keys unique.

    Attributes
    ----------
    spec : bars and windows that made the rows.
    products : names that `product` indexes, ascending.
    product : (n,) int32, index into `products`.
    bar_end_ns : (n,) int64, end of the row's bar, ns since the epoch; the row depends only on what happened before it.
    values : (n, k) float64, in the order of `feature_names(spec)`; NaN where unknown.
    simulated : True if any row stems from the simulated market; metrics then say nothing about real markets.
    """

    spec: FeatureSpec
    products: tuple[str, ...]
    product: NDArray[np.int32]
    bar_end_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    simulated: bool = False
    schema_version: int = SCHEMA_VERSION

    def __len__(self) -> int:
        return len(self.bar_end_ns)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of `values`."""
        return feature_names(self.spec)

    def column(self, name: str) -> NDArray[np.float64]:
        """One feature, (n,) float64.

        Raises
        ------
        SchemaMismatch
            When the spec does not define such a feature.
        """
        try:
            return self.values[:, self.names.index(name)]
        except ValueError:
            raise SchemaMismatch(f"feature {name!r}: not made by windows_s {self.spec.windows_s}") from None

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "FeatureTable":
        """Rows selected by a mask or by ascending indices."""
        return replace(self, product=self.product[rows], bar_end_ns=self.bar_end_ns[rows], values=self.values[rows])

    def runs(self) -> NDArray[np.intp]:
        """(n,) index of the contiguous run that each row belongs to: same product, consecutive bars.

        >>> table = FeatureTable(FeatureSpec(), ("A-B",), np.zeros(3, np.int32),
        ...                      np.array([1, 2, 4], np.int64) * 1_000_000_000, np.zeros((3, 86)))
        >>> table.runs().tolist()
        [0, 0, 1]
        """
        if len(self) == 0:
            return np.zeros(0, np.intp)
        breaks = (np.diff(self.product) != 0) | (np.diff(self.bar_end_ns) != self.spec.bar_ns)
        return np.concatenate([[0], np.cumsum(breaks)]).astype(np.intp)


def settled_end_ns(table: FeatureTable) -> int:
    """Newest bar end that every active product has reached: no further rows will be added up to it.

    A running featurizer writes products one after the other, each as far as it has come. A product without a row in the
    look-back before the newest row has ended and does not count.

    >>> table = FeatureTable(FeatureSpec(), ("A-B", "C-D"), np.array([0, 0, 1], np.int32),
    ...                      np.array([1, 2, 1], np.int64) * 1_000_000_000, np.zeros((3, 86)))
    >>> settled_end_ns(table)
    1000000000
    """
    newest = [int(table.bar_end_ns[table.product == number].max()) for number in np.unique(table.product)]
    since = max(newest) - table.spec.lookback_s * NS_PER_S
    return min(end for end in newest if end >= since)


def table_fingerprint(table: FeatureTable) -> str:
    """SHA-256 over spec, keys and values: identifies the data a model was trained on."""
    digest = hashlib.sha256(table.spec.fingerprint().encode())
    digest.update("\n".join(table.products).encode())
    for array in (table.product, table.bar_end_ns, table.values):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
