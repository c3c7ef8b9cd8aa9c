"""Cost of many products: the same ticks, spread over 100 of them, against all of one."""

import re
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from outcome import Outcome, cpu_seconds
from stream import SEED, START_NS, Pipeline, exhaust

from tickvol.config import Config
from tickvol.simulator.market import MarketProduct, MarketSpec
from tickvol.simulator.session import market_frames
from tickvol.volatility.dataset import HOUR_NS, DatasetWriter
from tickvol.volatility.features.engine import FeatureRows

GOAL = 1.5
PRODUCTS = tuple(f"P{number:02}-USD" for number in range(100))
TICKS_PER_S = 5_000
HOUR_S = 3_600
_PRODUCT_ID = re.compile(rb'"product_id":"[^"]*"')


def product_cost(config: Config, repeats: int, *, stretch_s: int) -> list[Outcome]:
    """CPU time a tick, from frames to rows and to the dataset, of 100 products over that of one.

    An hour of a thin market fills the windows and gives an hour of rows to write; then come stretches of 5,000 ticks a
    second. Files are counted as a replay writes them, once an hour.
    """
    hour, dense = (
        _market(1.0, START_NS, HOUR_S),
        _market(TICKS_PER_S / 100, START_NS + HOUR_NS, stretch_s * (repeats + 1)),
    )
    many, one = Pipeline(config, PRODUCTS), Pipeline(config, PRODUCTS[:1])
    hours = [list(many.lines("hour", hour)), list(one.lines("hour", _of_one_product(hour)))]
    stretches = _cut(dense, repeats + 1)
    works = [_each(many, stretches), _each(one, [_of_one_product(lines) for lines in stretches])]
    ticks = len(stretches[0])
    computing = [1e6 * seconds / ticks for seconds in cpu_seconds(*works, repeats=repeats)]
    with tempfile.TemporaryDirectory(prefix="tickvol-bench-") as directory:
        places = (Path(directory) / str(number) for number in count())
        writes = [_writing(pipeline, rows, places) for pipeline, rows in zip((many, one), hours, strict=True)]
        seconds = cpu_seconds(*writes, repeats=min(repeats, 3))
    writing = [1e6 * spent / (TICKS_PER_S * HOUR_S) for spent in seconds]
    about = f"{TICKS_PER_S:,} ticks/s with heartbeats, {repeats} stretches of {ticks:,} frames of the seeded market"
    stored = f"{about}; a full hour of rows written, its CPU time spread over the {TICKS_PER_S * HOUR_S:,} ticks"
    both = [spent + stored for spent, stored in zip(computing, writing, strict=True)]
    return [
        _outcome("100_products_frames_to_rows", computing, about),
        _outcome("100_products_frames_to_dataset", both, stored),
    ]


def _outcome(name: str, microseconds: list[float], about: str) -> Outcome:
    outcome = Outcome(
        name=name,
        value=microseconds[0],
        unit="us/tick",
        yardstick="the same frames, all ticks of one product",
        yardstick_value=microseconds[1],
        input=about,
    )
    return outcome.at_most(GOAL)


def _market(ticks_per_s: float, start_ns: int, duration_s: int) -> list[bytes]:
    products = tuple(MarketProduct(name, 100.0, ticks_per_s=ticks_per_s) for name in PRODUCTS)
    return list(market_frames(MarketSpec(products, SEED, start_ns, duration_s)))


def _of_one_product(lines: list[bytes]) -> list[bytes]:
    name = b'"product_id":"%s"' % PRODUCTS[0].encode()
    return [_PRODUCT_ID.sub(name, line) for line in lines]


def _cut(lines: list[bytes], pieces: int) -> list[list[bytes]]:
    size = len(lines) // pieces
    return [lines[piece * size : (piece + 1) * size] for piece in range(pieces)]


def _each(pipeline: Pipeline, stretches: list[list[bytes]]) -> Callable[[], object]:
    """Goes on with the next stretch at each call."""
    left = iter(stretches)
    return lambda: exhaust(pipeline.lines("dense", next(left)))


def _writing(pipeline: Pipeline, rows: list[FeatureRows], places: Iterator[Path]) -> Callable[[], object]:
    engine = pipeline.engine

    def write() -> None:
        writer = DatasetWriter(next(places), engine.spec, engine.products)
        for part in rows:
            writer.append(part.product, part.bar_end_ns, part.values)
        writer.flush(simulated=True)

    return write
