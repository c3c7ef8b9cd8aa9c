"""Section `serving`: the HTTP service."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from tickvol.settings.fields import Port, Positive, PositiveInt, Section


class ServingConfig(Section):
    """The HTTP service."""

    host: Annotated[str, Field(pattern=r"^[0-9a-fA-F.:]+$")]
    port: Port
    bundle_dir: str
    state_dir: Path
    timeout_s: PositiveInt
    max_body_bytes: PositiveInt
    max_frames: PositiveInt
    max_rows: PositiveInt
    max_backtest_rows: PositiveInt
    robust_z_threshold: Positive
    vol_zscore_threshold: Positive
