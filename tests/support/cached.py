"""Files that are costly to make and always the same: made once for each state of the source, shared by all workers."""

import hashlib
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests.support import ROOT
from tickvol.storage.files import exclusive

PACKAGE = ROOT / "src" / "tickvol"


@cache
def source_hash(*roots: Path) -> str:
    """SHA-256 of all source files below some directories, and of the pinned packages."""
    digest = hashlib.sha256()
    for path in [ROOT / "requirements.txt", *(path for root in roots for path in sorted(root.rglob("*.py")))]:
        digest.update(f"{path.relative_to(ROOT)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def cached(name: str, key: str, make: Callable[[Path], None]) -> Path:
    """A directory filled by `make`, which only the first caller of a key runs; whoever reads it must not change it.

    Parameters
    ----------
    name : what it holds, for whoever looks into the cache.
    key : everything that decides on the content.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "tickvol-tests"
    directory = home / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    complete = directory / ".complete"
    if not complete.exists():
        with exclusive(home / f".{directory.name}.lock"):
            if not complete.exists():
                shutil.rmtree(directory, ignore_errors=True)  # what a killed run left
                directory.mkdir()
                make(directory)
                complete.touch()
    return directory
