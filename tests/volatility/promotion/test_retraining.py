"""The decision to train again: never twice within a cool-down, never by one bad report, always by lasting drift."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickvol.volatility.promotion.retraining import (
    Cause,
    Decision,
    DriftSeen,
    Event,
    RetrainRules,
    Trained,
    decide,
)

RULES = RetrainRules(interval_ns=1000, cooldown_ns=100, on_share=0.5, off_share=0.3, reports=3)
DRIFT = (Cause.DRIFT,)


def reports(*shares: float, start: int = 1) -> list[Event]:
    return [DriftSeen(start + place, share) for place, share in enumerate(shares)]


def drift(*shares: float, now: int = 500) -> Decision:
    return decide([Trained(0), *reports(*shares)], now, RULES, DRIFT)


@pytest.mark.parametrize(
    ("shares", "retrain"),
    [
        ((), False),
        ((0.9,), False),
        ((0.9, 0.9), False),
        ((0.5, 0.5, 0.5), True),
        ((0.5, 0.5, 0.4999), False),
        ((0.9, 0.9, 0.1, 0.9, 0.9), False),
        ((0.9, 0.9, 0.4, 0.9), False),
        ((0.9, 0.9, 0.9, 0.3), True),
        ((0.9, 0.9, 0.9, 0.3, 0.3, 0.3), True),
        ((0.9, 0.9, 0.9, 0.2999), False),
        ((0.9, 0.9, 0.9, 0.1, 0.9, 0.9), False),
        ((0.9, 0.9, 0.9, 0.1, 0.9, 0.9, 0.9), True),
    ],
)
def test_the_alarm_rises_by_reports_in_a_row_and_ends_below_the_lower_level(
    shares: tuple[float, ...], retrain: bool
) -> None:
    found = drift(*shares)
    assert found.retrain is retrain
    assert found.cause == (Cause.DRIFT if retrain else None)
    assert found.reason


@pytest.mark.parametrize(("now", "retrain"), [(99, False), (100, False), (999, False), (1000, True)])
def test_the_schedule_is_due_an_interval_after_the_last_training(now: int, retrain: bool) -> None:
    assert decide([Trained(0)], now, RULES).retrain is retrain


@pytest.mark.parametrize(("now", "retrain"), [(99, False), (100, True)])
def test_lasting_drift_waits_for_the_end_of_the_cool_down(now: int, retrain: bool) -> None:
    found = drift(0.9, 0.9, 0.9, now=now)
    assert found.retrain is retrain
    assert retrain or "cool-down" in found.reason


def test_reports_before_the_last_training_do_not_count() -> None:
    events = [*reports(0.9, 0.9, 0.9), Trained(10), DriftSeen(11, 0.9)]
    assert not decide(events, 500, RULES, DRIFT).retrain
    assert decide([*events, *reports(0.9, 0.9, start=12)], 500, RULES, DRIFT).retrain


def test_without_any_training_the_schedule_asks_and_drift_alone_counts_its_reports() -> None:
    assert decide([], 0, RULES).cause is Cause.SCHEDULE
    assert not decide([], 0, RULES, DRIFT).retrain
    assert decide(reports(0.9, 0.9, 0.9), 10, RULES, DRIFT).retrain


def test_a_cause_that_was_not_asked_about_does_not_count() -> None:
    assert not decide([Trained(0)], 5000, RULES, DRIFT).retrain
    assert not decide([Trained(0), *reports(0.9, 0.9, 0.9)], 500, RULES, (Cause.SCHEDULE,)).retrain


def live(shares: list[float], rules: RetrainRules, step_ns: int) -> tuple[list[int], list[Event]]:
    """Run the command after each report; times of the trainings that it began, and all events."""
    events: list[Event] = [Trained(0)]
    begun = []
    for place, share in enumerate(shares, 1):
        now = place * step_ns
        events.append(DriftSeen(now, share))
        if decide(events, now, rules).retrain:
            events.append(Trained(now))
            begun.append(now)
    return begun, events


def any_rules(rng: random.Random) -> RetrainRules:
    on = rng.uniform(0.2, 1.0)
    cooldown = rng.randint(1, 400)
    return RetrainRules(
        interval_ns=cooldown + rng.randint(0, 2000),
        cooldown_ns=cooldown,
        on_share=on,
        off_share=rng.uniform(0.05, on),
        reports=rng.randint(2, 6),
    )


@given(st.integers(0, 2**32))
def test_never_two_trainings_within_a_cool_down(seed: int) -> None:
    rng = random.Random(seed)
    rules = any_rules(rng)
    begun, _ = live([rng.random() for _ in range(200)], rules, step_ns=rng.randint(1, 60))
    assert all(later - earlier >= rules.cooldown_ns for earlier, later in zip([0, *begun], begun, strict=False))


@given(st.integers(0, 2**32))
def test_one_bad_report_among_good_ones_never_retrains(seed: int) -> None:
    rng = random.Random(seed)
    rules = any_rules(rng)
    calm = [rng.uniform(0, rules.on_share * 0.999) for _ in range(60)]
    calm[rng.randrange(60)] = rng.uniform(rules.on_share, 1.0)
    events: list[Event] = [Trained(0)]
    for place, share in enumerate(calm, 1):
        events.append(DriftSeen(place * 100, share))
        assert not decide(events, place * 100, rules, DRIFT).retrain


@given(st.integers(0, 2**32))
def test_lasting_drift_always_retrains_as_soon_as_it_may(seed: int) -> None:
    rng = random.Random(seed)
    rules = any_rules(rng)
    step = rng.randint(1, 60)
    bad = [rng.uniform(rules.on_share, 1.0) for _ in range(rules.reports + rules.cooldown_ns // step + 1)]
    before = [rng.random() * 0.9 for _ in range(rng.randint(0, 20))]
    begun, events = live(before + bad, rules, step)
    end = (len(before) + len(bad)) * step
    assert any(time > len(before) * step for time in begun) or decide(events, end, rules, DRIFT).retrain


@given(st.integers(0, 2**32))
def test_the_decision_depends_on_nothing_but_its_arguments(seed: int) -> None:
    rng = random.Random(seed)
    rules = any_rules(rng)
    _, events = live([rng.random() for _ in range(50)], rules, step_ns=30)
    assert decide(tuple(events), 1500, rules) == decide(list(events), 1500, rules)
