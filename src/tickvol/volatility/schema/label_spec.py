"""Specification of a label."""

import enum

import msgspec


class LabelKind(enum.StrEnum):
    """`relative` compares the next horizon with the typical one of the longest window, `absolute` with a constant."""

    RELATIVE = "relative"
    ABSOLUTE = "absolute"


class LabelSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A spike: realized volatility of the bars in (t, t + horizon_s] at or above the train split's `quantile`."""

    kind: LabelKind = LabelKind.RELATIVE
    horizon_s: int = 60
    quantile: float = 0.90


class Outcome(enum.StrEnum):
    """Label of a row once its horizon has passed."""

    SPIKE = "spike"
    CALM = "calm"
    UNKNOWN = "unknown"
