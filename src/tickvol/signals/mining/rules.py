"""Rules from one to three items to WIN or LOSS, found in the train part and judged in the test part."""

from dataclasses import dataclass
from enum import StrEnum
from math import comb

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import InputError
from tickvol.signals.mining.count_kernel import count_sets, frequent_sets
from tickvol.signals.mining.significance import Array, Counts, false_discovery, family_p, hypergeometric_tails
from tickvol.signals.mining.transactions import Transactions, packed

Sets = NDArray[np.int16]

MAX_Q, MAX_FAMILY_P, MAX_P_OOS, MIN_N_OOS = 0.1, 0.1, 0.05, 20


class Outcome(StrEnum):
    """Consequent of a rule."""

    WIN = "WIN"
    LOSS = "LOSS"


class RuleVerdict(StrEnum):
    """Judgement of a rule, test part included."""

    CONFIRMED = "CONFIRMED"
    NOT_CONFIRMED = "NOT_CONFIRMED"
    NOT_SIGNIFICANT = "NOT_SIGNIFICANT"
    TOO_FEW = "TOO_FEW"


@dataclass(frozen=True)
class MiningParams:
    """Limits of the search: a set needs `max(min_count, min_support * n)` trades of the train part."""

    min_count: int = 30
    min_support: float = 0.02
    max_items: int = 3
    shifts: int = 200

    def __post_init__(self) -> None:
        if not 1 <= self.max_items <= 3:
            raise InputError(f"max_items: {self.max_items}: must be 1, 2 or 3")
        if self.min_count < 1 or not 0 <= self.min_support <= 1:
            raise InputError(f"min_count, min_support: {self.min_count}, {self.min_support}: must be >= 1, in [0, 1]")


@dataclass(frozen=True)
class Rule:
    """One rule. Counts are of trades; rates are fractions of 1.

    `support` is n_both / n, `confidence` n_both / n_antecedent, `lift` confidence over the base rate, `leverage`
    support less what independence would give. `p_value` is the one-sided hypergeometric tail, `q_value` its
    Benjamini-Hochberg value within the outcome. A redundant rule has a part with at least its confidence. Figures with
    `_oos` are of the test part; None where no trade has the antecedent.
    """

    outcome: Outcome
    antecedent: tuple[str, ...]
    n_antecedent: int
    n_both: int
    support: float
    confidence: float
    lift: float
    leverage: float
    p_value: float
    q_value: float
    redundant: bool
    n_antecedent_oos: int
    n_both_oos: int
    confidence_oos: float | None
    base_rate_oos: float | None
    p_value_oos: float
    verdict: RuleVerdict


@dataclass(frozen=True)
class Mined:
    """All rules, by p-value within each outcome, WIN first; `family_p` is that of the whole search."""

    rules: tuple[Rule, ...]
    family_p: float
    n_train: int
    n_test: int

    @property
    def sentence(self) -> str:
        """Title of every chart and table of rules."""
        confirmed = sum(rule.verdict == RuleVerdict.CONFIRMED for rule in self.rules)
        return f"{confirmed} of {len(self.rules)} rules confirmed"


def mine(train: Transactions, test: Transactions, params: MiningParams | None = None, *, seed: int) -> Mined:
    """Find and judge all rules of the train part.

    A rule is CONFIRMED only if q < 0.1, the family's p < 0.1, and the test part has at least 20 trades with the
    antecedent, lift above 1 and a one-sided p < 0.05. NOT_SIGNIFICANT where the train part fails, else TOO_FEW or
    NOT_CONFIRMED.

    Raises
    ------
    InputError
        If the two parts have different items.
    """
    params = params or MiningParams()
    if train.items != test.items:
        raise InputError("test: must have the items of train, in the same order")
    columns = packed(train.has)
    sets, n_set, n_win = _frequent(train, params)
    tails = {
        Outcome.WIN: hypergeometric_tails(n_win, len(train), int(train.won.sum()), n_set),
        Outcome.LOSS: hypergeometric_tails(n_set - n_win, len(train), int((~train.won).sum()), n_set),
    }
    smallest = min((float(p.min()) for p in tails.values() if len(p)), default=1.0)
    family = family_p(columns, sets, n_set, train.won, smallest, shifts=params.shifts, seed=seed)
    n_oos, win_oos = _counts(test, sets)
    rules: list[Rule] = []
    for outcome, p in tails.items():
        both, both_oos = (n_win, win_oos) if outcome is Outcome.WIN else (n_set - n_win, n_oos - win_oos)
        rules += _rules(outcome, train, test, sets, (n_set, both, n_oos, both_oos), p, family)
    return Mined(tuple(rules), family, len(train), len(test))


def _frequent(train: Transactions, params: MiningParams) -> tuple[Sets, Counts, Counts]:
    items = len(train.items)
    room = np.empty((sum(comb(items, k) for k in range(1, params.max_items + 1)), 3), dtype=np.int16)
    floor = max(params.min_count, int(np.ceil(params.min_support * len(train) - 1e-9)))
    everything = packed(np.ones((1, len(train)), dtype=np.bool_))[0]
    n = frequent_sets(packed(train.has), everything, train.apart_matrix(), floor, params.max_items, room)
    sets = room[:n].copy()
    return sets, *_counts(train, sets)


def _counts(trades: Transactions, sets: Sets) -> tuple[Counts, Counts]:
    n_set, n_win = np.zeros(len(sets), dtype=np.int64), np.zeros(len(sets), dtype=np.int64)
    everything = packed(np.ones((1, len(trades)), dtype=np.bool_))[0]
    count_sets(packed(trades.has), everything, packed(trades.won[None, :])[0], sets, n_set, n_win)
    return n_set, n_win


def _rules(
    outcome: Outcome,
    train: Transactions,
    test: Transactions,
    sets: Sets,
    counts: tuple[Counts, Counts, Counts, Counts],
    p: Array,
    family: float,
) -> list[Rule]:
    n_set, both, n_oos, both_oos = counts
    hits = [int((part.won == (outcome is Outcome.WIN)).sum()) for part in (train, test)]
    base, base_oos = hits[0] / max(1, len(train)), hits[1] / len(test) if len(test) else None
    q, redundant = false_discovery(p), _redundant(sets, n_set, both)
    p_oos = hypergeometric_tails(both_oos, len(test), hits[1], n_oos)
    rules = []
    for m in sorted(range(len(sets)), key=lambda m: (p[m], sets[m].tolist())):
        confidence = int(both[m]) / int(n_set[m])
        later = int(both_oos[m]) / int(n_oos[m]) if n_oos[m] else None
        rules.append(
            Rule(
                outcome=outcome,
                antecedent=tuple(train.items[i] for i in sets[m] if i >= 0),
                n_antecedent=int(n_set[m]),
                n_both=int(both[m]),
                support=int(both[m]) / len(train),
                confidence=confidence,
                lift=confidence / base if base else 0.0,
                leverage=int(both[m]) / len(train) - int(n_set[m]) / len(train) * base,
                p_value=float(p[m]),
                q_value=float(q[m]),
                redundant=bool(redundant[m]),
                n_antecedent_oos=int(n_oos[m]),
                n_both_oos=int(both_oos[m]),
                confidence_oos=later,
                base_rate_oos=base_oos,
                p_value_oos=float(p_oos[m]),
                verdict=_verdict(float(q[m]), family, int(n_oos[m]), later, base_oos, float(p_oos[m])),
            )
        )
    return rules


def _verdict(
    q: float, family: float, n_oos: int, confidence: float | None, base: float | None, p_oos: float
) -> RuleVerdict:
    if not (q < MAX_Q and family < MAX_FAMILY_P):
        return RuleVerdict.NOT_SIGNIFICANT
    if n_oos < MIN_N_OOS or confidence is None or base is None:
        return RuleVerdict.TOO_FEW
    return RuleVerdict.CONFIRMED if confidence > base and p_oos < MAX_P_OOS else RuleVerdict.NOT_CONFIRMED


def _redundant(sets: Sets, n_set: Counts, both: Counts) -> NDArray[np.bool_]:
    """Rules with a smaller antecedent inside theirs of at least their confidence, compared as integers."""
    index = {tuple(i for i in row if i >= 0): m for m, row in enumerate(sets.tolist())}
    redundant = np.zeros(len(sets), dtype=np.bool_)
    for items, m in index.items():
        parts = [(item,) for item in items if len(items) > 1]
        parts += [items[:k] + items[k + 1 :] for k in range(3) if len(items) == 3]
        redundant[m] = any(
            int(both[index[part]]) * int(n_set[m]) >= int(both[m]) * int(n_set[index[part]]) for part in parts
        )
    return redundant
