"""Feature rows to predictions and, once their horizon has passed, to outcomes, as in `tickvol score`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tickvol.bus.messages import Message, dead_letter_message
from tickvol.bus.reading import Stored
from tickvol.core.times import NS_PER_MS, NS_PER_S
from tickvol.volatility.labels.maturing import Matured, Maturing, Terms
from tickvol.volatility.messages import FeatureMessage, OutcomeMessage, PredictionMessage, row_message
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.scoring import score_rows
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import Outcome
from tickvol.volatility.scorer.counts import ScorerCounts
from tickvol.volatility.settings.profile import VolatilityConfig
from tickvol.volatility.topics import read_feature_row

Key = tuple[str, int]
"""Product and `bar_end_ns`, which identify a row, its prediction and its outcome."""


@dataclass(slots=True)
class Scored:
    """Results from messages of one partition."""

    predictions: list[Message] = field(default_factory=list)
    outcomes: list[Message] = field(default_factory=list)
    letters: list[Message] = field(default_factory=list)
    counts: ScorerCounts = field(default_factory=ScorerCounts)


class RowScorer:
    """Scorer for rows of any number of products; its state is a function of the rows without an outcome.

    Parameters
    ----------
    now_ns : clock for the time of a prediction.
    """

    def __init__(self, config: VolatilityConfig, now_ns: Callable[[], int]) -> None:
        self._spec = config.features.spec()
        self._topic = config.features.topic
        self._partitions = config.kafka.partitions
        self._now_ns = now_ns
        self._maturing: dict[str, Maturing] = {}
        self._open: dict[Key, PredictionMessage] = {}

    def reset(self) -> None:
        """Reset to the initial state."""
        self._maturing.clear()
        self._open.clear()

    def since_ns(self) -> dict[str, int]:
        """Earliest row of each product without an outcome."""
        found = {name: maturing.since_ns for name, maturing in self._maturing.items()}
        return {name: since for name, since in found.items() if since is not None}

    def remember(
        self, messages: Sequence[Any], waits: Callable[[Key], bool], made: Callable[[Key], PredictionMessage]
    ) -> None:
        """Rebuild the state from rows that were processed already.

        Parameters
        ----------
        waits : True for a row that is not before its product's earliest row without an outcome.
        made : returns the prediction made for a row.
        """
        rows, _ = self._read([_stored(message) for message in messages], wanted=waits)
        self._mature(rows, [made((row.product_id, row.bar_end_ns)) for row in rows])

    def take(self, messages: Sequence[Any], bundle: Bundle) -> Scored:
        """Predictions of the next rows, and outcomes of the rows that mature with them."""
        stored = [_stored(message) for message in messages]
        rows, rejected = self._read(stored, wanted=lambda key: True)
        said = Scored(letters=[self._letter(message, reason) for message, reason in rejected])
        said.counts.rejected.update(reason for _, reason in rejected)
        predictions = self._predict(rows, bundle) if rows else []
        for row, prediction in zip(rows, predictions, strict=True):
            said.predictions.append(row_message(prediction))
            _count_prediction(said.counts, row, prediction)
        for prediction, matured in self._mature(rows, predictions):
            said.outcomes.append(row_message(_outcome(prediction, matured)))
            _count_outcome(said.counts, prediction, matured)
        return said

    def _read(
        self, stored: Sequence[Stored], *, wanted: Callable[[Key], bool]
    ) -> tuple[list[FeatureMessage], list[tuple[Stored, str]]]:
        """Rows after the last one of their product, sorted by product; and rejected messages with the reason."""
        rows: list[FeatureMessage] = []
        rejected: list[tuple[Stored, str]] = []
        last = {name: maturing.last_ns for name, maturing in self._maturing.items()}
        for message in stored:
            row = read_feature_row(message, self._partitions, self._spec)
            if isinstance(row, str):
                rejected.append((message, row))
            elif wanted((row.product_id, row.bar_end_ns)):
                before = last.get(row.product_id)
                if before is not None and row.bar_end_ns <= before:
                    rejected.append((message, "repeated_row" if row.bar_end_ns == before else "row_out_of_order"))
                    continue
                last[row.product_id] = row.bar_end_ns
                rows.append(row)
        return sorted(rows, key=lambda row: row.product_id), rejected

    def _table(self, rows: Sequence[FeatureMessage]) -> FeatureTable:
        """Rows as a table, in their order."""
        names = tuple(sorted({row.product_id for row in rows}))
        number = {name: place for place, name in enumerate(names)}
        return FeatureTable(
            self._spec,
            names,
            np.array([number[row.product_id] for row in rows], np.int32),
            np.array([row.bar_end_ns for row in rows], np.int64),
            np.array([row.numbers() for row in rows], np.float64),
        )

    def _predict(self, rows: Sequence[FeatureMessage], bundle: Bundle) -> list[PredictionMessage]:
        scored = score_rows(bundle, self._table(rows))
        made_ns = self._now_ns()
        found = []
        for place, row in enumerate(rows):
            reason = scored.reasons[place]
            found.append(
                PredictionMessage(
                    product_id=row.product_id,
                    bar_end_ns=row.bar_end_ns,
                    schema_version=row.schema_version,
                    model_version=bundle.version,
                    made_time_ns=made_ns,
                    scorable=reason is None,
                    reason=reason,
                    probability=None if reason else float(scored.probability[place]),
                    margin=None if reason else float(scored.margin[place]),
                    signal=None if reason else scored.signals[place],
                    label_kind=bundle.label.kind,
                    horizon_s=bundle.label.horizon_s,
                    spike_threshold=_or_none(float(scored.thresholds[place])),
                    simulated=bundle.simulated,
                )
            )
        return found

    def _mature(
        self, rows: Sequence[FeatureMessage], predictions: Sequence[PredictionMessage]
    ) -> list[tuple[PredictionMessage, Matured]]:
        """Outcomes that mature with these rows, product by product."""
        if not rows:
            return []
        table, found = self._table(rows), []
        closed_by_ns = np.array([row.closed_by_ns for row in rows], np.int64)
        for number, name in enumerate(table.products):
            own = np.flatnonzero(table.product == number)
            for place in own.tolist():
                self._open[name, int(table.bar_end_ns[place])] = predictions[place]
            maturing = self._maturing.setdefault(name, Maturing(self._spec, name))
            terms = [_terms(predictions[place]) for place in own.tolist()]
            for matured in maturing.push(table.bar_end_ns[own], closed_by_ns[own], table.values[own], terms):
                found.append((self._open.pop((name, matured.bar_end_ns)), matured))
        return found

    def _letter(self, message: Stored, reason: str) -> Message:
        source = f"{self._topic}-{message.partition}@{message.offset}"
        return dead_letter_message(source, reason, max(message.timestamp_ms, 0) * NS_PER_MS, message.value or b"")


def _stored(message: Any) -> Stored:
    return Stored(message.partition, message.offset, message.timestamp, message.key, message.value)


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _terms(prediction: PredictionMessage) -> Terms:
    threshold = prediction.spike_threshold
    return Terms(prediction.label_kind, prediction.horizon_s, float("nan") if threshold is None else threshold)


def _outcome(prediction: PredictionMessage, matured: Matured) -> OutcomeMessage:
    return OutcomeMessage(
        product_id=prediction.product_id,
        bar_end_ns=prediction.bar_end_ns,
        model_version=prediction.model_version,
        label_kind=prediction.label_kind,
        horizon_s=prediction.horizon_s,
        value=_or_none(matured.value),
        threshold=prediction.spike_threshold,
        outcome=matured.outcome,
        reason=matured.reason,
        known_event_ns=prediction.bar_end_ns + prediction.horizon_s * NS_PER_S,
        known_time_ns=matured.known_ns,
    )


def _count_prediction(counts: ScorerCounts, row: FeatureMessage, prediction: PredictionMessage) -> None:
    counts.rows[row.product_id] += 1
    counts.signals[prediction.signal or "unscorable"] += 1
    counts.delay_s[row.product_id] = (prediction.made_time_ns - row.closed_by_ns) / NS_PER_S


def _count_outcome(counts: ScorerCounts, prediction: PredictionMessage, matured: Matured) -> None:
    counts.outcomes[matured.outcome.value] += 1
    if prediction.probability is None:
        counts.ungraded["unscorable"] += 1
    elif matured.outcome is Outcome.UNKNOWN:
        counts.ungraded["unknown"] += 1
    elif prediction.made_time_ns >= matured.known_ns:
        counts.ungraded["late"] += 1
    else:
        spike = matured.outcome is Outcome.SPIKE
        counts.graded += 1
        counts.spikes += spike
        counts.probability += prediction.probability
        counts.squared_error += (prediction.probability - spike) ** 2
