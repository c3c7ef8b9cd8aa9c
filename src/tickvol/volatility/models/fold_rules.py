"""Rules by which walk-forward folds are cut."""

import msgspec


class FoldRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where folds begin.

    Attributes
    ----------
    folds : how many, at least two.
    first_share : of the trainable rows, train rows of the first fold.
    validation_share : of a fold's train rows, the last ones, on which its choices are made.
    sealed_from_ns : rows that look at or beyond this time belong to the sealed block.
    """

    folds: int
    first_share: float
    validation_share: float
    sealed_from_ns: int
