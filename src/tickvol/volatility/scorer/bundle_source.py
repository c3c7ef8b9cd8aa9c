"""The bundle to serve: the configured directory, else the one that the registry's champion alias names."""

from pathlib import Path

from tickvol.core.errors import InputError, TrackingUnavailable
from tickvol.volatility.settings.profile import VolatilityConfig


def bundle_directory(config: VolatilityConfig) -> Path:
    """Directory of the bundle to serve; MLflow is queried only if `serving.bundle_dir` is empty.

    Raises
    ------
    InputError
        When the registry names no champion.
    TrackingUnavailable
        When the registry is needed and cannot be reached.
    """
    if config.serving.bundle_dir:
        return Path(config.serving.bundle_dir)
    from tickvol.volatility.registry.runs import resolve_alias
    from tickvol.volatility.registry.versions import CHAMPION

    try:
        return resolve_alias(config.mlflow, CHAMPION)
    except TrackingUnavailable as error:
        raise TrackingUnavailable(f"{error}; or name a bundle directory: serving.bundle_dir, --bundle") from error
    except InputError as error:
        raise type(error)(f"{error}; or name a bundle directory: serving.bundle_dir, --bundle") from error
