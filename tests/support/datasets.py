"""Feature datasets on disk for tests of commands."""

from pathlib import Path

from tickvol.volatility.dataset import DatasetWriter
from tickvol.volatility.schema.feature_table import FeatureTable


def write_dataset(directory: Path, table: FeatureTable) -> Path:
    writer = DatasetWriter(directory, table.spec, table.products)
    writer.append(table.product, table.bar_end_ns, table.values)
    writer.flush(simulated=table.simulated)
    return directory
