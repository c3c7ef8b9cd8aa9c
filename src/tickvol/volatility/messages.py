"""Feature rows, predictions and outcomes as Kafka messages: JSON, keyed by product, stamped with the end of the bar.

A feature row::

    {"type":"features","product_id":"BTC-USD","bar_end_ns":1775427314000000000,"schema_version":1,"features":"5f0c...",
     "closed_by_ns":1775427314260000000,"values":[67468.94,null,...]}

`values` are in the order of `tickvol.volatility.schema.feature_row.feature_names`, NaN as null; `features` is the
fingerprint of the `FeatureSpec`; `closed_by_ns` is the receive time of the record that closed the bar.

A prediction and, once its horizon has passed, its outcome have the row's key and timestamp. A prediction states its
own terms (label, horizon, threshold), so its outcome does not depend on the bundle served by then::

    {"type":"prediction","product_id":"BTC-USD","bar_end_ns":1775427314000000000,"schema_version":1,
     "model_version":"a137...","made_time_ns":1775427314263000000,"scorable":true,"reason":null,"probability":0.071,
     "margin":-1.2,"signal":"CALM","label_kind":"relative","horizon_s":60,"spike_threshold":1.87,"simulated":false}
    {"type":"outcome","product_id":"BTC-USD","bar_end_ns":1775427314000000000,"model_version":"a137...",
     "label_kind":"relative","horizon_s":60,"value":1.02,"threshold":1.87,"outcome":"calm","reason":null,
     "known_event_ns":1775427374000000000,"known_time_ns":1775427374260000000}
"""

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from tickvol.bus.messages import Message
from tickvol.core.times import NS_PER_MS
from tickvol.volatility.schema.label_spec import LabelKind, Outcome


class FeatureMessage(msgspec.Struct, frozen=True, tag_field="type", tag="features", gc=False):
    """Feature row as a Kafka message."""

    product_id: str
    bar_end_ns: int
    schema_version: int
    features: str
    closed_by_ns: int
    values: list[float | None]

    def numbers(self) -> list[float]:
        """Values, with NaN where unknown."""
        return [math.nan if value is None else value for value in self.values]


class PredictionMessage(msgspec.Struct, frozen=True, tag_field="type", tag="prediction", gc=False, kw_only=True):
    """Prediction of a bundle for one row.

    `made_time_ns` is the scorer's clock at the time of the prediction, the only clock of ours in any message.
    """

    product_id: str
    bar_end_ns: int
    schema_version: int
    model_version: str
    made_time_ns: int
    scorable: bool
    reason: str | None
    probability: float | None
    margin: float | None
    signal: Literal["CALM", "WATCH", "ALERT"] | None
    label_kind: LabelKind
    horizon_s: int
    spike_threshold: float | None
    simulated: bool


class OutcomeMessage(msgspec.Struct, frozen=True, tag_field="type", tag="outcome", gc=False, kw_only=True):
    """Outcome of a row: the label under the terms of its prediction.

    It was knowable in event time at `known_event_ns`, the end of the horizon, and by the receiver's clock at
    `known_time_ns`, when the record that closed the deciding bar was received.
    """

    product_id: str
    bar_end_ns: int
    model_version: str
    label_kind: LabelKind
    horizon_s: int
    value: float | None
    threshold: float | None
    outcome: Outcome
    reason: str | None
    known_event_ns: int
    known_time_ns: int


_encode = msgspec.json.Encoder().encode
decode_features = msgspec.json.Decoder(FeatureMessage).decode
decode_prediction = msgspec.json.Decoder(PredictionMessage).decode
decode_outcome = msgspec.json.Decoder(OutcomeMessage).decode


def feature_message(
    product_id: str, bar_end_ns: int, schema_version: int, features: str, closed_by_ns: int, values: Sequence[float]
) -> Message:
    """Message for the features topic; JSON has no NaN, so NaN is sent as null."""
    message = FeatureMessage(product_id, bar_end_ns, schema_version, features, closed_by_ns, list(values))
    return Message(product_id.encode(), _encode(message), bar_end_ns // NS_PER_MS)


def row_message(about: PredictionMessage | OutcomeMessage) -> Message:
    """Message of a prediction or an outcome, with the key and timestamp of its row; NaN is sent as null."""
    return Message(about.product_id.encode(), _encode(about), about.bar_end_ns // NS_PER_MS)
