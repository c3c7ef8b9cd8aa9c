"""Bodies of the POST endpoints: strict, finite, one root model each; unknown fields are rejected."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tickvol.core.records import PRODUCT_PATTERN

Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
EventTime = Annotated[int, Field(strict=True, ge=0, lt=1 << 63)]
ProductId = Annotated[str, Field(strict=True, pattern=PRODUCT_PATTERN)]

_MAX_FIELDS = 256
"""More than any schema holds. Checked first: an error for each of half a million fields takes a gigabyte."""


def _at_most_max_fields(value: Any) -> Any:
    if isinstance(value, dict) and len(value) > _MAX_FIELDS:
        raise ValueError(f"must have at most {_MAX_FIELDS} fields")
    return value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: Any) -> Any:
        return _at_most_max_fields(value)


class FeatureRow(_Strict):
    """One row: the features of the bar that ended at `bar_end_ns`; null is unknown."""

    product_id: ProductId
    bar_end_ns: EventTime
    features: Annotated[dict[str, Finite | None], BeforeValidator(_at_most_max_fields)]


class RowsOrFrames(_Strict):
    """Feature rows with their schema version, or raw exchange frames as objects or as text.

    `all_rows` requests an answer for each bar that the frames closed, not only for the last one of each product.
    """

    feature_schema_version: Annotated[int, Field(strict=True)] | None = None
    rows: Annotated[list[FeatureRow], Field(fail_fast=True)] | None = None
    frames: list[Any] | None = None
    all_rows: bool = False

    @model_validator(mode="after")
    def _one_of_both(self) -> "RowsOrFrames":
        if (self.rows is None) == (self.frames is None):
            raise ValueError("must hold either `rows` or `frames`")
        if self.rows is not None and self.feature_schema_version is None:
            raise ValueError("must hold `feature_schema_version` beside `rows`; GET /model says which one is served")
        if self.rows is not None and self.all_rows:
            raise ValueError("`all_rows` goes with `frames`; each of `rows` is answered anyway")
        return self


class PredictRequest(RowsOrFrames):
    """Body of POST /predict."""


class AnomalyRequest(RowsOrFrames):
    """Body of POST /anomaly."""


class SignalRequest(RowsOrFrames):
    """Body of POST /signal."""
