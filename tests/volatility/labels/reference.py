"""Labels as `docs/label_spec.md` words them: slow, one row at a time, by dictionaries of bars."""

import math

from tickvol.core.times import NS_PER_S
from tickvol.volatility.schema.feature_table import FeatureTable


def future_vol_of(table: FeatureTable, horizon_s: int) -> list[float]:
    returns = {
        (int(product), int(end)): float(value)
        for product, end, value in zip(table.product, table.bar_end_ns, table.column("bar_log_return"), strict=True)
    }
    found = []
    for product, now in zip(table.product.tolist(), table.bar_end_ns.tolist(), strict=True):
        ends = range(now + table.spec.bar_ns, now + horizon_s * NS_PER_S + 1, table.spec.bar_ns)
        ahead = [returns.get((product, end), math.nan) for end in ends]
        found.append(math.sqrt(sum(value * value for value in ahead)))
    return found
