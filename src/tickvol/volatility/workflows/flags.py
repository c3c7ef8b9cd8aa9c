"""Flags shared by the training commands, and the market and rows they select."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tickvol.volatility.schema.feature_table import FeatureTable
    from tickvol.volatility.settings.profile import MarketProfile, VolatilityConfig


def add_candles(parser: argparse.ArgumentParser) -> None:
    """Add `--candles`: use closed candles instead of ticks."""
    parser.add_argument("--candles", action="store_true", help="use closed candles instead of ticks: section `candles`")


def profile_of(config: "VolatilityConfig", options: argparse.Namespace) -> "MarketProfile":
    """Market selected by `--candles`."""
    return config.profile("candles" if options.candles else "ticks")


def add_rows(parser: argparse.ArgumentParser) -> None:
    """Add the flags that select rows."""
    parser.add_argument("--features", type=Path, metavar="DIR", help="dataset; default: features.dataset_dir")
    parser.add_argument("--products", nargs="+", metavar="P", help="only these products; default: all of the dataset")
    parser.add_argument(
        "--until", metavar="TIME", help="last bar end to use; default: the newest that all products have reached"
    )


def training_rows(
    profile: "MarketProfile",
    features: Path | None = None,
    products: Sequence[str] | None = None,
    until_ns: int | None = None,
) -> "FeatureTable":
    """Rows of a training run, selected so that a later run finds the same ones in a dataset that has grown.

    For candles these are the rows before the sealed block, which only `tickvol open-sealed` uses. A dataset of ticks
    is also what is served from and is used to its end: the newest time that all products have reached, or `until_ns`.

    Parameters
    ----------
    features : dataset; None for the profile's.
    products : None for all of the dataset.
    until_ns : last bar end, inclusive.
    """
    from tickvol.volatility.dataset import read_features
    from tickvol.volatility.schema.feature_table import settled_end_ns

    sealed_ns = profile.walk_forward.rules("candles").sealed_from_ns if profile.source == "candles" else None
    ends = [end for end in (sealed_ns, None if until_ns is None else until_ns + 1) if end is not None]
    table = read_features(features or profile.dataset_dir, products=products, to_ns=min(ends, default=None))
    if until_ns is not None or len(table) == 0:
        return table
    return table.take(table.bar_end_ns <= settled_end_ns(table))


def selected_rows(profile: "MarketProfile", options: argparse.Namespace) -> "FeatureTable":
    """Rows selected by the flags of `add_rows`."""
    from tickvol.core.times import parse_time_ns

    until_ns = None if options.until is None else parse_time_ns("--until", options.until)
    return training_rows(profile, options.features, options.products, until_ns)
