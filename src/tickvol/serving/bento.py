"""The service that `bentoml serve` imports; everything heavy waits until an instance is made.

The process that supervises the worker imports this module too.
"""

from pathlib import Path

import bentoml
from pydantic import BaseModel

from tickvol.config import DEFAULT_CONFIG, load_config
from tickvol.serving.service import build_service


class Arguments(BaseModel):
    """`bentoml serve ... --arg config=FILE`."""

    config: Path = DEFAULT_CONFIG


Tickvol = build_service(load_config(bentoml.use_arguments(Arguments).config), module=__name__)
