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
    "tests/volatility/promotion/test_promote.py": 93,
    "tests/apps/test_walk_forward.py": 66,
    "tests/kafka/test_promotion_on_stream.py": 57,
    "tests/volatility/leakcheck/test_planted_leaks.py": 49,
    "tests/faults/test_broker.py": 48,
    "tests/faults/test_soak.py": 46,
    "tests/volatility/promotion/test_retrain.py": 41,
    "tests/faults/test_feed.py": 39,
    "tests/faults/test_ingestor_killed.py": 37,
    "tests/kafka/test_featurizer.py": 36,
    "tests/faults/test_live.py": 36,
    "tests/faults/test_many_kills.py": 34,
    "tests/docker/test_commands.py": 34,
    "tests/kafka/test_score.py": 32,
    "tests/kafka/test_featurizer_stops.py": 32,
    "tests/apps/test_drift.py": 31,
    "tests/faults/test_disk_full.py": 30,
    "tests/kafka/test_rebuild.py": 29,
    "tests/volatility/features/test_reference_parity.py": 29,
    "tests/kafka/test_broker_life.py": 29,
    "tests/faults/test_log_lost.py": 28,
    "tests/kafka/test_publish.py": 28,
    "tests/kafka/test_transactions.py": 25,
    "tests/capture/test_ws_ingest.py": 22,
    "tests/docker/test_kafka_commands.py": 21,
    "tests/apps/test_train.py": 21,
    "tests/apps/test_leakcheck.py": 18,
    "tests/kafka/test_broker_command.py": 18,
    "tests/bus/test_sockets.py": 17,
    "tests/faults/test_zombie.py": 16,
    "tests/apps/test_reproduce.py": 16,
    "tests/faults/test_poison.py": 15,
    "tests/faults/test_disorder.py": 14,
    "tests/kafka/test_broker_errors.py": 14,
    "tests/apps/test_serve.py": 14,
    "tests/faults/test_featurizer_killed.py": 13,
    "tests/orchestration/test_definitions.py": 13,
    "tests/test_benchmarks.py": 12,
    "tests/volatility/promotion/test_comparison.py": 12,
    "tests/faults/test_metrics.py": 10,
    "tests/kafka/test_alerts.py": 10,
    "tests/kafka/test_broker_security.py": 10,
    "tests/volatility/labels/test_maturing.py": 9,
    "tests/kafka/test_deadletters.py": 9,
    "tests/kafka/test_consume_check.py": 9,
    "tests/kafka/test_log_writer.py": 9,
    "tests/faults/test_clock.py": 8,
    "tests/apps/test_evaluate.py": 8,
    "tests/kafka/test_performance.py": 8,
    "tests/parity/test_replay_parity.py": 8,
    "tests/kafka/test_featurizer_poison.py": 7,
    "tests/volatility/jobs/test_drift_sensor.py": 7,
    "tests/volatility/models/test_bundle.py": 7,
    "tests/notebooks/test_eda.py": 7,
    "tests/volatility/test_dataset.py": 6,
    "tests/volatility/features/test_engine_properties.py": 6,
    "tests/volatility/registry/test_runs.py": 6,
    "tests/volatility/leakcheck/test_foresight.py": 6,
    "tests/apps/test_replay_klines.py": 5,
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
