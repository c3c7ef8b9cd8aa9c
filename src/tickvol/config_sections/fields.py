"""What sections of the configuration share: a frozen base that forbids unknown keys, and kinds of numbers and names."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveInt = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Port = Annotated[int, Field(ge=1, le=65535)]
PortOrNone = Annotated[int, Field(ge=0, le=65535)]
PRODUCT_PATTERN = r"^[A-Z0-9]{1,16}-[A-Z0-9]{1,16}$"
Product = Annotated[str, Field(pattern=PRODUCT_PATTERN)]
InstanceId = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,64}$")]
TopicName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]


class Section(BaseModel):
    """A frozen section that knows all of its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
