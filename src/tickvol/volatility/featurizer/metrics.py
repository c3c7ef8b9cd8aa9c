"""The featurizer's metrics."""

from collections.abc import Callable
from time import monotonic, time_ns

from tickvol.metrics.server import Metric, Values, by_label
from tickvol.volatility.featurizer.counts import FeaturizerCounts

_P = "tickvol_featurizer_"

FEATURIZER_METRICS = (
    Metric(_P + "records_consumed_total", "Committed records of ticks.raw; rejected ones apart", ("kind",)),
    Metric(_P + "records_rejected_total", "Messages that are no record, by reason; each is a dead letter", ("reason",)),
    Metric(_P + "gaps_total", "Gap records, by reason; each product has its own", ("reason",)),
    Metric(_P + "late_ticks_total", "Ticks whose bar was closed already; each is a dead letter"),
    Metric(_P + "duplicate_ticks_total", "Ticks that the log holds again, as after a resend; they change nothing"),
    Metric(_P + "rows_total", "Rows written to ticks.features", ("product",)),
    Metric(_P + "rows_known_total", "Those of the rows whose bar has a mid", ("product",)),
    Metric(_P + "lag_records", "Records that are in the log and not read yet", ("partition",)),
    Metric(_P + "watermark_delay_seconds", "Clock minus the highest event time that was read", ("product",)),
    Metric(_P + "transactions_total", "Transactions: committed, or aborted and computed again", ("outcome",)),
    Metric(_P + "commit_seconds_total", "Time that committed transactions took"),
    Metric(_P + "rebalances_total", "Changes of the assigned partitions, the first assignment included"),
    Metric(_P + "dataset_age_seconds", "Time since all rows that were due were on disk"),
    Metric(_P + "dataset_write_failures_total", "Writes of the dataset that failed and are tried again"),
)


def featurizer_values(
    counts: FeaturizerCounts,
    now_ns: Callable[[], int] = time_ns,
    monotonic_s: Callable[[], float] = monotonic,
) -> Values:
    """Metric values of a run so far."""
    ticks = counts.ticks + counts.duplicates + counts.late
    kinds = {"tick": ticks, "heartbeat": counts.heartbeats, "gap": sum(dict(counts.gaps).values())}
    outcomes = {"committed": counts.transactions, "aborted": counts.aborted}
    values: dict[str, dict[tuple[str, ...], float]] = {
        "records_consumed_total": by_label(kinds),
        "records_rejected_total": by_label(counts.rejected),
        "gaps_total": by_label(counts.gaps),
        "late_ticks_total": {(): counts.late},
        "duplicate_ticks_total": {(): counts.duplicates},
        "rows_total": by_label(counts.rows),
        "rows_known_total": by_label(counts.known_bars),
        "lag_records": by_label(counts.lag),
        "watermark_delay_seconds": by_label(counts.watermark_delay_s(now_ns())),
        "transactions_total": by_label(outcomes),
        "commit_seconds_total": {(): counts.commit_s},
        "rebalances_total": {(): counts.rebalances},
        "dataset_age_seconds": {(): monotonic_s() - counts.dataset_current_at},
        "dataset_write_failures_total": {(): counts.dataset_failures},
    }
    return {_P + name: by_labels for name, by_labels in values.items()}
