"""Compilation of the inner loops by numba, cached on disk and discarded when any kernel changes.

numba invalidates a cached function by its own file only: a kernel that calls one from another file would keep running
the old code. So all kernels share a cache directory named after the hash of all their sources. Processes take turns at
it: numba names the file of a new signature by an index that it read before, so if two processes compiled a kernel for
different types at once, one could load the other's machine code.
"""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numba

_PACKAGE = Path(__file__).parent.parent


def _cache_dir() -> Path:
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(_PACKAGE.rglob("*_kernel*.py")):
        digest.update(source.read_bytes())
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    if not os.access(home if home.exists() else home.parent, os.W_OK):
        home = Path(tempfile.gettempdir())
    return home / "tickvol" / f"kernels-{digest.hexdigest()[:16]}"


if "NUMBA_CACHE_DIR" not in os.environ:
    numba.config.CACHE_DIR = str(_cache_dir())  # type: ignore[attr-defined]


def compiled(function: Callable[..., Any]) -> Any:
    """Compile on first call; IEEE arithmetic in the order written (no fastmath), division by zero as in numpy."""
    kernel = numba.njit(function, cache=True, error_model="numpy")
    if hasattr(kernel, "_cache"):  # a plain function where NUMBA_DISABLE_JIT is set
        take_turns(kernel._cache._cache_file)
    return kernel


def take_turns(files: Any) -> None:
    """Lock the directory of numba's `IndexDataCacheFile` while it loads (shared) or saves (alone)."""
    lock = Path(files._cache_path) / ".lock"

    def locked(method: Callable[..., Any], operation: int) -> Callable[..., Any]:
        @wraps(method)
        def call(*arguments: Any) -> Any:
            with lock.open("ab") as file:
                fcntl.flock(file, operation)
                return method(*arguments)

        return call

    files.load = locked(files.load, fcntl.LOCK_SH)
    files.save = locked(files.save, fcntl.LOCK_EX)
