"""How MLflow loads a registered bundle: by this module, never by a pickle; our service reads the directory itself."""

from pathlib import Path
from typing import Any

import numpy as np

from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.bundle_files import MANIFEST


def bundle_directory(model_directory: Path) -> Path | None:
    """Where the bundle lies below a downloaded model, None where there is none."""
    return next((path.parent for path in sorted(model_directory.rglob(MANIFEST))), None)


class ServedBundle:
    """What `mlflow.pyfunc.load_model` gives."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """(n,) probabilities of a frame that holds a column for each feature of the schema; rows must be scorable."""
        features = list(self.bundle.manifest.features)
        return self.bundle.predict_matrix(np.asarray(model_input[features], np.float64))


def _load_pyfunc(data_path: str) -> ServedBundle:
    return ServedBundle(Bundle.load(bundle_directory(Path(data_path)) or Path(data_path)))
