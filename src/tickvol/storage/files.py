"""Atomic replacement, locks and durable appends: files that survive a killed writer, a full disk and a second process.

A lock (flock) belongs to an open file and ends with the process that holds it. Readers need no lock: a replaced file
is the old one or the new one, and a file of lines ends in at most one unfinished line.
"""

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO

_POLL_S = 0.1


def write_atomically(path: Path, content: bytes | str, *, durable: bool = True) -> None:
    """Replace a file as `replacement` does; text is encoded as UTF-8."""
    with replacement(path, durable=durable) as sink:
        sink.write(content.encode() if isinstance(content, str) else content)


def write_report(path: Path, content: bytes | str) -> None:
    """Replace a report atomically; its directory is created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)


@contextmanager
def replacement(path: Path, *, durable: bool = True, temporary: Path | None = None) -> Iterator[BinaryIO]:
    """Yield a file to write; it replaces `path` at the end of the block and is deleted after an error.

    Parameters
    ----------
    path : its directory must exist.
    durable : put content and name on disk. False survives a killed process, but a power cut may leave an empty file.
    temporary : path of the file until it is complete, on the same file system; default `.NAME.tmp` next to `path`.
        Its lock makes concurrent writers take turns; the leftover of a killed writer is overwritten.
    """
    growing = temporary or path.with_name(f".{path.name}.tmp")
    with _open_alone(growing) as sink:
        try:
            yield sink
            sink.flush()
            if durable:
                os.fsync(sink.fileno())
            growing.replace(path)
        except BaseException:
            with suppress(OSError):
                growing.unlink()
            raise
    if durable:
        sync_directory(path.parent)


def _open_alone(path: Path) -> BinaryIO:
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
        lock(descriptor)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                os.ftruncate(descriptor, 0)
                return os.fdopen(descriptor, "wb")
        os.close(descriptor)  # while we waited for the lock, its holder renamed or deleted this file


def sync_directory(directory: Path) -> None:
    """Put the entries of a directory on disk: files created, renamed or deleted in it."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_directory(new: Path, target: Path) -> None:
    """Rename `new` to `target` and delete the former `target`, which a kill in between leaves as `.TARGET.old`."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    sync_directory(target.parent)
    if old.exists():
        shutil.rmtree(old)


def lock(descriptor: int, *, shared: bool = False, wait: bool = True) -> bool:
    """Lock an open file until it is closed; without `wait`, return False when another process holds the lock."""
    operation = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, operation if wait else operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def exclusive(
    path: Path, *, refusal: Exception | None = None, timeout_s: float = 0.0, mode: int = 0o666
) -> Iterator[None]:
    """Hold an exclusive lock during the block; the lock file and its directory are created and stay.

    Parameters
    ----------
    path : the lock file, which holds nothing.
    refusal : raised when another process holds the lock for longer than `timeout_s`; None waits without limit.
    mode : permissions of a new file, before the umask.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _open_to_append(path, mode) as file:
        deadline = time.monotonic() + timeout_s
        while not lock(file.fileno(), wait=refusal is None):
            if refusal is not None and time.monotonic() >= deadline:
                raise refusal
            time.sleep(_POLL_S)
        yield


@contextmanager
def appending(path: Path, *, mode: int = 0o666) -> Iterator[FileIO]:
    """Open or create a file for `append` and `append_line` and hold its lock during the block.

    Parameters
    ----------
    path : its directory must exist.
    mode : permissions of a new file, before the umask.
    """
    is_new = not path.exists()
    with _open_to_append(path, mode) as file:
        lock(file.fileno())
        if is_new:
            sync_directory(path.parent)
        yield file


def _open_to_append(path: Path, mode: int) -> FileIO:
    return open(path, "ab+", buffering=0, opener=lambda name, flags: os.open(name, flags, mode))


def append_line(file: FileIO, line: bytes) -> None:
    """Append a line, which ends in a newline, as `append` does; the unfinished line of a killed writer stays apart."""
    size = os.fstat(file.fileno()).st_size
    is_unfinished = size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
    append(file, b"\n" + line if is_unfinished else line)


def append(file: FileIO, content: bytes) -> None:
    """Append all of the content, on disk when this returns, or none of it.

    Raises
    ------
    OSError
        If it cannot be written whole; the file is as before, and the error names it.
    """
    size = os.fstat(file.fileno()).st_size
    try:
        if os.write(file.fileno(), content) < len(content):
            raise OSError(errno.ENOSPC, "no room for a whole line")
        os.fsync(file.fileno())
    except OSError as error:
        file.truncate(size)
        error.filename = file.name
        raise


def is_disk_full(error: OSError) -> bool:
    """Test for a full disk, an exhausted quota or the limit of a file's size."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
