"""Kernels compiled by several processes at once into one cache."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba.core.caching import IndexDataCacheFile

from tickvol.core.compiled import compiled, take_turns

TIMEOUT_S = 0.3
"""For a step of the other process, which never comes when processes take turns."""


class Process:
    """A process that saves the code of a signature; `waits` lets a step of another one come first."""

    def __init__(self, directory: Path) -> None:
        self.files: Any = IndexDataCacheFile(str(directory), "kernel", "stamp")
        self.done = {name: threading.Event() for name in ("_load_index", "_save_index", "_save_data")}
        for name, event in self.done.items():
            setattr(self.files, name, self._noted(getattr(self.files, name), event))
        take_turns(self.files)

    @staticmethod
    def _noted(step: Callable[..., Any], event: threading.Event) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            result = step(*arguments)
            event.set()
            return result

        return call

    def waits(self, before: str, other: "Process", has_done: str) -> None:
        step, event = getattr(self.files, before), other.done[has_done]

        def call(*arguments: Any) -> Any:
            event.wait(TIMEOUT_S)
            return step(*arguments)

        setattr(self.files, before, call)


def test_signatures_saved_at_once_keep_their_own_code(tmp_path: Path) -> None:
    first, second = Process(tmp_path), Process(tmp_path)
    # The worst order: both read the empty index, then each overwrites what the other wrote.
    first.waits("_save_index", second, "_load_index")
    second.waits("_save_index", first, "_save_index")
    first.waits("_save_data", second, "_save_data")
    saves = [
        threading.Thread(target=one.files.save, args=(signature, f"code of {signature}"))
        for one, signature in ((first, "float64"), (second, "int64"))
    ]
    for save in saves:
        save.start()
    for save in saves:
        save.join()
    reader = Process(tmp_path).files
    assert [reader.load(signature) for signature in ("float64", "int64")] == ["code of float64", "code of int64"]


def _twice(value: float) -> float:
    return 2 * value


def test_kernels_lock_their_cache() -> None:
    kernel = compiled(_twice)
    assert kernel._cache._cache_file.save.__wrapped__
    assert kernel._cache._cache_file.load.__wrapped__
