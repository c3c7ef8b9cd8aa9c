"""Scoring rows with a bundle, against its bare booster."""

from itertools import chain

import numpy as np
from outcome import Outcome
from stream import SEED, START_NS, Pipeline

from tickvol.config import Config
from tickvol.simulator.market import MarketSpec, market_products
from tickvol.simulator.session import market_frames
from tickvol.volatility.evaluation.inference_speed import MAX_EXTRA_US, MAX_RATIO, Speed, measure_inference
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.manifest import Provenance
from tickvol.volatility.models.training import prepare, train_detectors
from tickvol.volatility.schema.feature_table import FeatureTable


def inference(config: Config, *, hours: int) -> list[Outcome]:
    """Microseconds a row and rows a second for batches of 1, 100 and 10,000 rows."""
    table = _table(config, hours)
    speeds = measure_inference(_bundle(config, table), table)
    about = f"xgboost bundle trained on {hours} hours of the seeded market, {len(table):,} rows of it scored"
    return list(chain.from_iterable((_latency(speed, about), _rate(speed, about)) for speed in speeds))


def _latency(speed: Speed, about: str) -> Outcome:
    outcome = Outcome(
        name=f"inference_p50_batch_{speed.batch}",
        value=speed.p50_us,
        unit="us/row",
        yardstick="bare xgboost booster, inputs ready",
        yardstick_value=speed.bare_p50_us,
        input=about,
        goal=f"value - yardstick <= {MAX_EXTRA_US:g} us",
        met=speed.met,
    )
    return outcome if speed.batch == 1 else outcome.at_most(MAX_RATIO)


def _rate(speed: Speed, about: str) -> Outcome:
    return Outcome(
        name=f"inference_rate_batch_{speed.batch}",
        value=speed.rows_per_s,
        unit="rows/s",
        yardstick="bare xgboost booster, inputs ready",
        yardstick_value=1e6 / speed.bare_p50_us,
        input=about,
    )


def _table(config: Config, hours: int) -> FeatureTable:
    market = MarketSpec(market_products(config.products), SEED, START_NS, hours * 3600)
    pipeline = Pipeline(config, config.products)
    parts = list(pipeline.lines("market", list(market_frames(market))))
    product, bar_end_ns, values = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("product", "bar_end_ns", "values")
    )
    order = np.lexsort((bar_end_ns, product))
    return FeatureTable(
        spec=pipeline.engine.spec,
        products=pipeline.engine.products,
        product=product[order],
        bar_end_ns=bar_end_ns[order],
        values=values[order],
        simulated=True,
    )


def _bundle(config: Config, table: FeatureTable) -> Bundle:
    training = config.models.spec(config.labels)
    prepared = prepare(table, config.labels.spec(), training)
    provenance = Provenance(config_hash="", code_version="", data_fingerprint="")
    *_, bundle = train_detectors(prepared, training, "xgboost", provenance)
    return bundle
