"""Section `mlflow`: experiment tracking and the model registry."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from tickvol.settings.fields import Port, PositiveInt, Section


class MlflowConfig(Section):
    """Experiment tracking."""

    tracking_uri: str
    artifacts_dir: Path
    ledger_dir: Path
    experiment: str
    registered_model: str
    request_timeout_s: PositiveInt
    request_max_retries: Annotated[int, Field(ge=0)]
    port: Port

    @model_validator(mode="after")
    def _check_retries(self) -> "MlflowConfig":
        longest_s = self.request_timeout_s * (self.request_max_retries + 1)
        if longest_s >= 10:
            raise ValueError(f"request_timeout_s * (request_max_retries + 1) is {longest_s}: must be below 10")
        return self
