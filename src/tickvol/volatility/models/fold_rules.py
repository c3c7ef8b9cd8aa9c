"""Rules by which walk-forward folds are cut."""

import msgspec


class FoldRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules for the cuts between folds.

    Attributes
    ----------
    folds : number of folds, at least two.
    first_share : share of the trainable rows that are train rows of the first fold.
    validation_share : share of a fold's train rows, the last ones, that are used for its choices.
    sealed_from_ns : start of the sealed block; rows whose span reaches beyond it are in no fold.
    """

    folds: int
    first_share: float
    validation_share: float
    sealed_from_ns: int
