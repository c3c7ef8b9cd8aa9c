"""MLflow loader of a registered bundle: this module, never a pickle; our service reads the directory itself."""

from pathlib import Path
from typing import Any

import numpy as np

from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.bundle_files import MANIFEST


def bundle_directory(model_directory: Path) -> Path | None:
    """Directory of the bundle below a downloaded model; None if there is none."""
    return next((path.parent for path in sorted(model_directory.rglob(MANIFEST))), None)


class ServedBundle:
    """Model returned by `mlflow.pyfunc.load_model`."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """(n,) probabilities of a data frame with a column for each feature of the schema; rows must be scorable."""
        features = list(self.bundle.manifest.features)
        return self.bundle.predict_matrix(np.asarray(model_input[features], np.float64))


def _load_pyfunc(data_path: str) -> ServedBundle:
    return ServedBundle(Bundle.load(bundle_directory(Path(data_path)) or Path(data_path)))
