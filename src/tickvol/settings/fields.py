"""Types of numbers and names, and the frozen base class of sections, which forbids unknown keys."""

from collections import Counter
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tickvol.core.records import PRODUCT_PATTERN

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveInt = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Port = Annotated[int, Field(ge=1, le=65535)]
PortOrNone = Annotated[int, Field(ge=0, le=65535)]
Product = Annotated[str, Field(pattern=PRODUCT_PATTERN)]


def _each_once(products: tuple[str, ...]) -> tuple[str, ...]:
    twice = [name for name, count in Counter(products).items() if count > 1]
    if twice:
        raise ValueError(f"products: {', '.join(twice)}: named twice")
    return products


Products = Annotated[tuple[Product, ...], Field(min_length=1), AfterValidator(_each_once)]
InstanceId = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,64}$")]
TopicName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]


class Section(BaseModel):
    """A frozen section that forbids unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
