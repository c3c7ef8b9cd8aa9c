"""Memory management of long-running processes, at little cost; imports nothing that reads the settings."""

import contextlib
import ctypes
import gc
import os

_M_MMAP_THRESHOLD = -3
_MMAP_BYTES = 1 << 17


def give_memory_back() -> None:
    """Return the memory of a dataset write to the system at once; call before pyarrow is imported.

    By default the C library raises its size threshold for doing so with each large block that is freed, and Arrow's own
    pool keeps what it had: together they held ten times the rows of the hour, and grew with it.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    with contextlib.suppress(OSError, AttributeError):  # another C library has other ways
        ctypes.CDLL("libc.so.6").mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)


def collect_garbage_rarely() -> None:
    """Collect rarely: batches make many short-lived containers but no cycles; a search costs a quarter of the time."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
