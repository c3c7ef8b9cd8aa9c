"""The order in which files of tests start: the longest first, so that no worker ends alone.

Seconds on two cores, for files that take 5 s or more; a wrong number costs waiting at the end and nothing else. To
measure: `make test` with `--junitxml=times.xml`, then `python -m tests.support.order times.xml`.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree

import pytest

LEAST_S = 5.0
SECONDS: dict[str, int] = {
    "tests/kafka/test_promotion_on_stream.py": 90,
    "tests/docker/test_commands.py": 90,
    "tests/apps/test_walk_forward.py": 74,
    "tests/volatility/promotion/test_promote.py": 67,
    "tests/kafka/test_featurizer_stops.py": 66,
    "tests/volatility/leakcheck/test_planted_leaks.py": 61,
    "tests/capture/test_ws_ingest.py": 60,
    "tests/apps/test_leakcheck.py": 58,
    "tests/faults/test_soak.py": 53,
    "tests/kafka/test_score.py": 52,
    "tests/docker/test_kafka_commands.py": 51,
    "tests/faults/test_broker.py": 51,
    "tests/faults/test_ingestor_killed.py": 48,
    "tests/kafka/test_featurizer.py": 48,
    "tests/apps/test_drift.py": 47,
    "tests/faults/test_log_lost.py": 47,
    "tests/apps/test_train.py": 47,
    "tests/faults/test_many_kills.py": 46,
    "tests/faults/test_live.py": 45,
    "tests/dashboard/test_in_chromium.py": 45,
    "tests/faults/test_feed.py": 44,
    "tests/kafka/test_publish.py": 43,
    "tests/volatility/promotion/test_retrain.py": 39,
    "tests/kafka/test_rebuild.py": 38,
    "tests/volatility/features/test_reference_parity.py": 37,
    "tests/kafka/test_transactions.py": 33,
    "tests/kafka/test_broker_command.py": 33,
    "tests/faults/test_disk_full.py": 31,
    "tests/risk/pipeline/test_rules.py": 30,
    "tests/faults/test_disorder.py": 27,
    "tests/apps/test_reproduce.py": 23,
    "tests/apps/test_serve.py": 20,
    "tests/orchestration/test_definitions.py": 19,
    "tests/volatility/drift/test_summary.py": 19,
    "tests/faults/test_zombie.py": 19,
    "tests/faults/test_featurizer_killed.py": 18,
    "tests/volatility/models/test_walk_forward.py": 18,
    "tests/risk/pipeline/test_days.py": 18,
    "tests/risk/pipeline/test_resilience.py": 18,
    "tests/kafka/test_alerts.py": 17,
    "tests/faults/test_poison.py": 16,
    "tests/risk/pipeline/test_no_holes.py": 16,
    "tests/risk/pipeline/test_steps.py": 16,
    "tests/risk/pipeline/test_rerun.py": 16,
    "tests/test_benchmarks.py": 15,
    "tests/faults/test_metrics.py": 15,
    "tests/volatility/labels/test_maturing.py": 12,
    "tests/tracking/test_sqlite_store.py": 11,
    "tests/kafka/test_log_writer.py": 11,
    "tests/kafka/test_deadletters.py": 11,
    "tests/risk/pipeline/test_load.py": 11,
    "tests/risk/pipeline/test_killed_runs.py": 11,
    "tests/kafka/test_broker_security.py": 10,
    "tests/apps/test_evaluate.py": 10,
    "tests/faults/test_clock.py": 10,
    "tests/kafka/test_consume_check.py": 10,
    "tests/parity/test_replay_parity.py": 9,
    "tests/kafka/test_performance.py": 9,
    "tests/simulator/rest/test_book.py": 9,
    "tests/kafka/test_broker_life.py": 8,
    "tests/volatility/test_dataset.py": 8,
    "tests/volatility/models/test_bundle.py": 8,
    "tests/kafka/test_featurizer_poison.py": 8,
    "tests/exchange/test_coinbase_rest.py": 8,
    "tests/volatility/features/test_engine_properties.py": 7,
    "tests/apps/test_command_line.py": 7,
    "tests/volatility/promotion/test_comparison.py": 7,
    "tests/volatility/models/test_candidates.py": 7,
    "tests/volatility/leakcheck/test_foresight.py": 7,
    "tests/capture/test_feed.py": 7,
    "tests/storage/delta/test_table.py": 7,
    "tests/volatility/evaluation/test_selection.py": 6,
    "tests/notebooks/test_eda.py": 6,
    "tests/parity/test_follow_parity.py": 6,
    "tests/volatility/registry/test_runs.py": 5,
    "tests/volatility/jobs/test_drift_sensor.py": 5,
    "tests/risk/pipeline/test_gold.py": 5,
    "tests/risk/star/test_store.py": 5,
    "tests/risk/figures/test_reference_parity.py": 5,
}


def longest_first(items: list[pytest.Item]) -> None:
    """Sort in place, by file; tests of a file stay in their order."""
    items.sort(key=lambda item: -SECONDS.get(item.nodeid.split("::")[0], 0))


def main(arguments: Sequence[str]) -> None:
    """Print `SECONDS` as a report of pytest has them."""
    seconds: Counter[str] = Counter()
    for path in arguments:
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            file = case.get("classname", "").replace(".", "/") + ".py"
            seconds[file] += float(case.get("time", 0))  # type: ignore[assignment]
    for file, total in seconds.most_common():
        if total >= LEAST_S:
            print(f'    "{file}": {total:.0f},')


if __name__ == "__main__":
    main(sys.argv[1:])
