"""Closed candles to a feature dataset, through the same engine as ticks."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tickvol.core.errors import InputError, UsageError
from tickvol.exchange.klines import KlineFile, Klines, read_klines
from tickvol.storage.deadletters import DeadLetter
from tickvol.volatility.features.engine import FeatureEngine
from tickvol.volatility.featurizer.frame_featurizer import Computed, Store
from tickvol.volatility.schema.feature_spec import FeatureSpec


def replay_klines(spec: FeatureSpec, named: Sequence[str], new: Path) -> list[str]:
    """Build a dataset at `new` with the bars and windows of `spec`; returns lines for the user.

    Raises
    ------
    UsageError
        When two files hold the same product, or the product cannot be inferred from a name.
    InputError
        When a file cannot be used.
    """
    files = sorted((KlineFile.named(text) for text in named), key=lambda file: file.product_id)
    products = [file.product_id for file in files]
    twice = sorted({name for name in products if products.count(name) > 1})
    if twice:
        raise UsageError(f"--klines: {', '.join(twice)}: named by more than one file; give one for each product")
    engine = FeatureEngine(spec, products)
    store = Store(new, spec, products)
    lines, made = [], 0
    for number, file in enumerate(files):
        klines = read_klines(file, product=number, bar_ms=spec.bar_ms)
        rows = engine.push_candles(klines.candles)
        store.write(Computed([rows], _letters(file, klines), simulated=False), only_complete=True)
        lines.append(_about(file, klines, len(rows.bar_end_ns), int(np.isfinite(rows.values[:, 0]).sum())))
        made += len(rows.bar_end_ns)
    if not made:
        raise InputError(f"--klines: {files[0].path}: not a single candle that can be used")
    store.write(Computed([], [], simulated=False))
    return lines


def _letters(file: KlineFile, klines: Klines) -> list[DeadLetter]:
    source = f"{file.product_id}-{file.path.name}"  # files in two directories may share a name
    return [DeadLetter(source, number, reason, text.encode()) for number, reason, text in klines.rejected]


def _about(file: KlineFile, klines: Klines, rows: int, known: int) -> str:
    reasons = Counter(reason for _, reason, _ in klines.rejected)
    rejected = "".join(f"; {reason}: {count}" for reason, count in reasons.items())
    return (
        f"candles     {file.product_id}: {len(klines.candles)} of {file.path.name} used "
        f"(the last one perhaps not closed yet{rejected}), "
        f"{rows} rows, coverage {known / rows if rows else 0:.3f}"
    )
