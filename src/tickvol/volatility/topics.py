"""Topics of the volatility system: feature rows, predictions and outcomes, keyed by product."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from tickvol.bus.contents import MAX_INTEGER, Content, decoded, each, envelope_fault, home_partition, placement_fault
from tickvol.bus.reading import Stored
from tickvol.bus.topics import TopicSpec
from tickvol.core.times import DAY_S, NS_PER_S
from tickvol.eventlog.record_rules import is_product
from tickvol.volatility.messages import (
    FeatureMessage,
    OutcomeMessage,
    PredictionMessage,
    decode_features,
    decode_outcome,
    decode_prediction,
)
from tickvol.volatility.schema.feature_row import SCHEMA_VERSION, feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.settings.profile import VolatilityConfig

_MOST_AHEAD_NS = DAY_S * NS_PER_S
"""A bar ends before the record that closes it is received, unless a clock is wrong."""


def features_topic(config: VolatilityConfig) -> TopicSpec:
    """Declaration of `features.topic`."""
    spec, partitions = config.features.spec(), config.kafka.partitions
    return TopicSpec(
        name=config.features.topic,
        key="product_id",
        schema=FeatureMessage,
        validator=each(lambda message: _feature_content(message, partitions, spec)),
        partitions=partitions,
    )


def predictions_topic(config: VolatilityConfig) -> TopicSpec:
    """Declaration of `scoring.topic_predictions`."""
    return _topic_of_rows(config, config.scoring.topic_predictions, PredictionMessage, decode_prediction)


def outcomes_topic(config: VolatilityConfig) -> TopicSpec:
    """Declaration of `scoring.topic_outcomes`."""
    return _topic_of_rows(config, config.scoring.topic_outcomes, OutcomeMessage, decode_outcome)


def topics(config: VolatilityConfig) -> Sequence[TopicSpec]:
    """All topics that this system writes."""
    return features_topic(config), predictions_topic(config), outcomes_topic(config)


def _topic_of_rows(config: VolatilityConfig, name: str, schema: Any, decode: Callable[[bytes], Any]) -> TopicSpec:
    bar_ns, partitions = config.features.spec().bar_ns, config.kafka.partitions
    return TopicSpec(
        name=name,
        key="product_id",
        schema=schema,
        validator=each(
            lambda message: placement_fault(message, _content_about_row(message, decode, bar_ns), partitions)
        ),
        partitions=partitions,
    )


@lru_cache(maxsize=4)
def _identity(spec: FeatureSpec) -> tuple[str, int]:
    """Fingerprint of the spec and number of values in a row."""
    return spec.fingerprint(), len(feature_names(spec))


def read_feature_row(message: Stored, partitions: int, spec: FeatureSpec) -> FeatureMessage | str:
    """A row of our schema and spec, or the first rule that the message violates."""
    row = decoded(message, decode_features)
    if not isinstance(row, FeatureMessage):
        return str(row)
    fits = 0 <= row.bar_end_ns < MAX_INTEGER and 0 <= row.closed_by_ns < MAX_INTEGER
    if not fits or not is_product(row.product_id):
        return "bad_field"
    if message.partition != home_partition(row.product_id, partitions):
        return "wrong_partition"
    if fault := envelope_fault(message, row.product_id, row.bar_end_ns):
        return fault
    fingerprint, width = _identity(spec)
    if row.schema_version != SCHEMA_VERSION or row.features != fingerprint:
        return "other_features"
    if len(row.values) != width or row.bar_end_ns % spec.bar_ns:
        return "bad_field"
    return "bad_timestamp" if row.bar_end_ns > row.closed_by_ns + _MOST_AHEAD_NS else row


def _feature_content(message: Stored, partitions: int, spec: FeatureSpec) -> Content | str:
    row = read_feature_row(message, partitions, spec)
    if isinstance(row, str):
        return row
    number = row.bar_end_ns // spec.bar_ns
    return Content("features", row.product_id, row.bar_end_ns, row.closed_by_ns, row.product_id, number=number)


def _content_about_row(message: Stored, decode: Callable[[bytes], Any], bar_ns: int) -> Content | str:
    """A prediction with the time it was made, or an outcome with the time it became knowable."""
    about = decoded(message, decode)
    if not isinstance(about, PredictionMessage | OutcomeMessage):
        return str(about)
    at_ns = about.made_time_ns if isinstance(about, PredictionMessage) else about.known_time_ns
    fits = 0 <= about.bar_end_ns < MAX_INTEGER and 0 <= at_ns < MAX_INTEGER and about.bar_end_ns % bar_ns == 0
    if not fits or not is_product(about.product_id):
        return "bad_field"
    if fault := envelope_fault(message, about.product_id, about.bar_end_ns):
        return fault
    kind = (about.signal or "unscorable") if isinstance(about, PredictionMessage) else about.outcome.value
    return Content(kind, about.product_id, about.bar_end_ns, at_ns, about.product_id, number=about.bar_end_ns // bar_ns)
