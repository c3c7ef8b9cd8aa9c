"""Judged rows with bursts of spikes, and detectors that know more or less of them."""

import numpy as np

from tickvol.volatility.evaluation.bootstrap import TimeAxis
from tickvol.volatility.evaluation.judge import JudgedRows, JudgingRules, ScoredDetector

S = 1_000_000_000

RULES = JudgingRules(
    horizon_s=60,
    block_s=300,
    alarm_cooldown_s=60,
    bootstrap_samples=200,
    min_blocks=20,
    min_events=10,
    max_pr_auc=0.95,
)


def judged_rows(seed: int = 0, hours: float = 3.0, products: tuple[str, ...] = ("BTC-USD", "ETH-USD")) -> JudgedRows:
    random = np.random.default_rng(seed)
    seconds = int(hours * 3600)
    times = (1_775_347_200 + np.arange(seconds, dtype=np.int64)) * S
    positive = [np.repeat(random.random(seconds // 60 + 1) < 0.1, 60)[:seconds] for _ in products]
    return JudgedRows(
        products=products,
        product=np.repeat(np.arange(len(products)), seconds).astype(np.int32),
        bar_end_ns=np.tile(times, len(products)),
        positive=np.concatenate(positive),
        regime=random.integers(0, 3, seconds * len(products)).astype(np.int8),
        bar_ns=S,
        axis=TimeAxis.of(times, S),
    )


def detector(rows: JudgedRows, name: str, knows: float, *, baseline: bool = False, seed: int = 1) -> ScoredDetector:
    noise = np.random.default_rng([seed, len(name)]).normal(0, 1, len(rows))
    margin = knows * rows.positive + noise
    probability = 1 / (1 + np.exp(2.2 - margin))
    return ScoredDetector(name=name, baseline=baseline, margin=margin, probability=probability, threshold=0.5)
