"""Limits of the leak checks."""

import msgspec


class LeakRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of the leak checks; the section `leakcheck` of the configuration explains each of them."""

    log_cuts: int = 8
    permutations: int = 20
    max_shuffled_t: float = 4.0
    max_shuffled_skill: float = 0.05
    max_foresight: float = 0.25
    min_bars: int = 2000
    duplicate_tolerance: float = 1e-12
    max_pr_auc: float = 0.95
    min_events: int = 3
    seed: int = 7
