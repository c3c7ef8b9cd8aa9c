"""Bundles trained on a synthetic market, once for each state of the source: the same input gives the same bytes."""

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from tests.support import ROOT
from tests.support.cached import PACKAGE, cached, source_hash
from tests.support.synthetic import synthetic_table
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.manifest import Provenance
from tickvol.volatility.models.training import prepare, train_detectors
from tickvol.volatility.models.training_spec import TrainingSpec
from tickvol.volatility.schema.feature_table import FeatureTable, table_fingerprint
from tickvol.volatility.schema.label_spec import LabelSpec

DAY_NS = 86_400 * 10**9
START_NS = 1_775_347_200 * 10**9


@cache
def market(day: int = 0, hours: float = 4.0, simulated: bool = False) -> FeatureTable:
    start_ns = START_NS + day * DAY_NS
    return synthetic_table(
        abs(day), hours=hours, products=("BTC-USD", "ETH-USD"), start_ns=start_ns, simulated=simulated
    )


@cache
def bundles(day: int = 0, simulated: bool = False) -> tuple[Bundle, ...]:
    """All baselines and logistic regression, trained on a day's market."""

    def train() -> Iterable[Bundle]:
        table = market(day, simulated=simulated)
        training = TrainingSpec()
        provenance = Provenance(config_hash="0" * 64, code_version="0", data_fingerprint=table_fingerprint(table))
        return train_detectors(prepare(table, LabelSpec(), training), training, "logistic", provenance)

    return trained(f"day {day}, simulated {simulated}", train)


def trained(what: str, train: Callable[[], Iterable[Bundle]]) -> tuple[Bundle, ...]:
    """Bundles of a training, in its order; `what` tells it from others of the same source."""

    def make(directory: Path) -> None:
        for number, bundle in enumerate(train()):
            bundle.save(directory / f"{number:02}")

    source = source_hash(PACKAGE / "core", PACKAGE / "volatility", ROOT / "tests" / "support")
    directory = cached("bundles", f"{what}, {source}", make)
    return tuple(Bundle.load(path) for path in sorted(directory.glob("[0-9]*")))
