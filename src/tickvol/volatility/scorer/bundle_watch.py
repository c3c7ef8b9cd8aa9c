"""Polling for a new bundle to serve, for processes that must not stop when it changes."""

import hashlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from tickvol.core.errors import InputError, SchemaMismatch, TickvolError
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.bundle_files import MANIFEST
from tickvol.volatility.models.scoring import smoke_test
from tickvol.volatility.scorer.bundle_source import bundle_directory
from tickvol.volatility.settings.profile import VolatilityConfig

logger = logging.getLogger(__name__)


class BundleWatch:
    """The bundle of `bundle_directory`, loaded only when its mark has changed.

    The mark is the hash of `bundle.json`, or the location of the artifacts of the registry's champion.
    """

    def __init__(self, config: VolatilityConfig) -> None:
        self._config = config
        self._mark = ""

    def changed(self) -> Bundle | None:
        """Verify and test the bundle if it differs from the last call's, and return it; else None.

        Raises
        ------
        TickvolError
            When there is none, it is unusable, or its features have another spec than the configuration's.
        """
        mark = self._look()
        if mark == self._mark:
            return None
        bundle = Bundle.load(bundle_directory(self._config))
        spec = self._config.features.spec()
        if bundle.spec != spec:
            raise SchemaMismatch(
                f"bundle {bundle.version[:12]}: trained on windows_s {bundle.spec.windows_s} (fingerprint"
                f" {bundle.spec.fingerprint()[:12]}), the rows are of {spec.windows_s} ({spec.fingerprint()[:12]});"
                " train on these rows"
            )
        smoke_test(bundle, self._config.products)
        self._mark = mark
        return bundle

    def _look(self) -> str:
        if not self._config.serving.bundle_dir:
            from tickvol.volatility.registry.runs import alias_source
            from tickvol.volatility.registry.versions import CHAMPION

            return alias_source(self._config.mlflow, CHAMPION)
        manifest = Path(self._config.serving.bundle_dir) / MANIFEST
        if not manifest.is_file():
            raise InputError(f"{manifest.parent}: is no bundle (no {MANIFEST}); train one by `tickvol train`")
        return hashlib.sha256(manifest.read_bytes()).hexdigest()


class CurrentBundle:
    """The current bundle; a thread replaces it, and an unusable bundle never replaces a good one.

    Attributes
    ----------
    changes, failures : number of bundle replacements, and of failed attempts.
    """

    def __init__(self, config: VolatilityConfig) -> None:
        self.changes = 0
        self.failures = 0
        self._watch = BundleWatch(config)
        self._interval_s = config.scoring.reload_interval_s
        self._bundle: Bundle | None = None
        self._told = ""
        self._over = threading.Event()

    @property
    def is_there(self) -> bool:
        """True if a bundle is loaded."""
        return self._bundle is not None

    def now(self) -> Bundle:
        """The current bundle; there must be one."""
        assert self._bundle is not None
        return self._bundle

    def open(self) -> None:
        """Load the first bundle.

        Raises
        ------
        TickvolError
            As `BundleWatch.changed`.
        """
        self._take(self._watch.changed())

    def wait(self, stopped: Callable[[], bool]) -> None:
        """Poll until there is a bundle, or a stop is requested."""
        while not self.is_there and not stopped():
            self._look()
            waited_s = 0.0
            while not self.is_there and not stopped() and waited_s < self._interval_s:
                waited_s += 0.2
                self._over.wait(0.2)

    def follow(self) -> None:
        """Start to poll for replacements every `scoring.reload_interval_s`."""
        threading.Thread(target=self._run, daemon=True, name="bundle").start()

    def close(self) -> None:
        """Stop polling."""
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(self._interval_s):
            self._look()

    def _look(self) -> None:
        try:
            self._take(self._watch.changed())
        except (TickvolError, OSError) as error:
            self.failures += 1
            text = " ".join(str(error).split())
            if text != self._told:
                stays = f"bundle {self._bundle.version[:12]} stays" if self._bundle else "waits for a bundle"
                logger.warning("%s; %s, looks again every %g s", text, stays, self._interval_s)
            self._told = text

    def _take(self, bundle: Bundle | None) -> None:
        self._told = ""
        if bundle is None or (self._bundle is not None and bundle.version == self._bundle.version):
            return
        self.changes += self._bundle is not None
        self._bundle = bundle
        logger.info("bundle %s, %s", bundle.version, bundle.name)
