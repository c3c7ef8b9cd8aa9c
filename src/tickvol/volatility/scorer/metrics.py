"""The scorer's metrics."""

from tickvol.metrics.server import Metric, Values, by_label
from tickvol.volatility.scorer.counts import ScorerCounts

_P = "tickvol_scorer_"

SCORER_METRICS = (
    Metric(_P + "predictions_total", "Predictions by signal; unscorable rows have one, too", ("signal",)),
    Metric(_P + "outcomes_total", "Outcomes: spike, calm or unknown", ("outcome",)),
    Metric(_P + "rows_rejected_total", "Messages that are no feature row, by reason; dead letters", ("reason",)),
    Metric(_P + "graded_total", "Outcomes of predictions made before these could be known"),
    Metric(_P + "ungraded_total", "Outcomes that grade nothing: late, unscorable or unknown", ("reason",)),
    Metric(_P + "graded_spikes_total", "Spikes among the graded"),
    Metric(_P + "graded_probability_total", "Sum of the probabilities of the graded: the spikes that were expected"),
    Metric(_P + "graded_squared_error_total", "Sum of (probability - spike)^2 of the graded: Brier by its rate"),
    Metric(_P + "prediction_delay_seconds", "Newest prediction minus receipt of what closed its bar", ("product",)),
    Metric(_P + "lag_rows", "Offsets of ticks.features not read yet, marks of transactions included", ("partition",)),
    Metric(_P + "transactions_total", "Transactions: committed, or aborted and computed again", ("outcome",)),
    Metric(_P + "commit_seconds_total", "Time that committed transactions took"),
    Metric(_P + "rebalances_total", "Changes of the assigned partitions, the first assignment included"),
    Metric(_P + "bundle_loaded", "1 while there is a bundle to score with"),
    Metric(_P + "bundle_changes_total", "Bundles that took another's place"),
    Metric(_P + "bundle_failures_total", "Looks at the champion that failed; the bundle at hand stays"),
)


def scorer_values(counts: ScorerCounts, *, bundle_loaded: bool, bundle_changes: int, bundle_failures: int) -> Values:
    """Metric values of a run so far."""
    outcomes = {"committed": counts.transactions, "aborted": counts.aborted}
    values: dict[str, dict[tuple[str, ...], float]] = {
        "predictions_total": by_label(counts.signals),
        "outcomes_total": by_label(counts.outcomes),
        "rows_rejected_total": by_label(counts.rejected),
        "graded_total": {(): counts.graded},
        "ungraded_total": by_label(counts.ungraded),
        "graded_spikes_total": {(): counts.spikes},
        "graded_probability_total": {(): counts.probability},
        "graded_squared_error_total": {(): counts.squared_error},
        "prediction_delay_seconds": by_label(counts.delay_s),
        "lag_rows": by_label(counts.lag),
        "transactions_total": by_label(outcomes),
        "commit_seconds_total": {(): counts.commit_s},
        "rebalances_total": {(): counts.rebalances},
        "bundle_loaded": {(): float(bundle_loaded)},
        "bundle_changes_total": {(): bundle_changes},
        "bundle_failures_total": {(): bundle_failures},
    }
    return {_P + name: by_labels for name, by_labels in values.items()}
