"""Files survive a killed writer, a full disk and a second process: whole content, one lock holder, whole lines."""

import errno
import os
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tickvol.core.errors import Busy
from tickvol.storage.files import (
    append,
    append_line,
    appending,
    exclusive,
    is_disk_full,
    lock,
    replace_directory,
    replacement,
    write_atomically,
)

IMPORTS = """
import os, sys, time
from pathlib import Path
from tickvol.storage.files import append_line, appending, exclusive, write_atomically
path = Path(sys.argv[1])
"""

REWRITE = """
letters = sys.argv[2]
for number in range(int(sys.argv[3])):
    write_atomically(path, letters[number % len(letters)] * 400_000, durable=False)
    if number == 0:
        print("ready", flush=True)
"""

APPEND = """
for number in range(int(sys.argv[3])):
    with appending(path) as file:
        append_line(file, b"%s %d %s\\n" % (sys.argv[2].encode(), number, b"x" * 300_000))
    print(number, flush=True)
"""

HOLD = """
with exclusive(path):
    print("held", flush=True)
    time.sleep(60)
"""

TAKE_TURNS = """
for _ in range(60):
    with exclusive(path):
        os.close(os.open(f"{path}.inside", os.O_CREAT | os.O_EXCL))  # fails while another process is inside
        time.sleep(0.001)
        os.unlink(f"{path}.inside")
"""


def started(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", IMPORTS + code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def kill(process: subprocess.Popen[str]) -> str:
    """Kill, and return the rest of the output."""
    process.kill()
    return process.communicate()[0]


def tree(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@contextmanager
def file_limit(size_bytes: int) -> Iterator[None]:
    """No file of this process can grow beyond a size, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# Atomic replacement.


@pytest.mark.parametrize("content", ["größer\n", b"\x00\xff", "", b""])
def test_the_new_content_takes_the_place_of_the_old(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "file"
    path.write_text("old and longer than the new")
    write_atomically(path, content)
    assert tree(tmp_path) == {"file": content.encode() if isinstance(content, str) else content}


def test_a_text_that_cannot_be_encoded_leaves_the_old_content_and_no_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "file", "new \ud800")
    assert tree(tmp_path) == {"file": b"old"}


def test_a_disk_that_fills_up_leaves_the_old_content_and_no_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(OSError) as caught, file_limit(4096):
        write_atomically(tmp_path / "file", b"n" * 5000)
    assert is_disk_full(caught.value)
    assert tree(tmp_path) == {"file": b"old"}


@pytest.mark.parametrize(("module", "step"), [(os, "fsync"), (Path, "replace")])
def test_a_step_that_fails_leaves_the_old_content_and_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "file").write_text("old")
    monkeypatch.setattr(module, step, fail)
    with pytest.raises(OSError, match="Input/output error"):
        write_atomically(tmp_path / "file", "new")
    assert tree(tmp_path) == {"file": b"old"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_while_writing_leaves_the_old_content_and_no_temporary_file(
    tmp_path: Path, error: type[BaseException]
) -> None:
    (tmp_path / "file").write_text("old")

    def write_half() -> None:
        with replacement(tmp_path / "file") as sink:
            sink.write(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert tree(tmp_path) == {"file": b"old"}


def test_a_missing_directory_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "gone" / "file", "new")
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("durable", [True, False])
def test_content_is_on_disk_before_it_takes_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    steps = []
    replace = Path.replace

    def fsync(descriptor: int) -> None:
        steps.append(f"fsync {os.readlink(f'/proc/self/fd/{descriptor}')} {os.fstat(descriptor).st_size}")

    def rename(path: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", rename)
    write_atomically(tmp_path / "file", "content", durable=durable)
    synced = [f"fsync {tmp_path}/.file.tmp 7", "rename", f"fsync {tmp_path} {tmp_path.stat().st_size}"]
    assert steps == (synced if durable else ["rename"])


def test_a_reader_sees_old_or_new_content_while_writers_are_killed_at_random(tmp_path: Path) -> None:
    path, rng = tmp_path / "file", random.Random(1)
    seen = set()
    for _ in range(8):
        writer = started(REWRITE, path, "ab", 10**6)
        assert writer.stdout is not None
        writer.stdout.readline()
        until = time.monotonic() + rng.uniform(0.0, 0.05)
        while time.monotonic() < until:
            seen.add(path.read_bytes())
        kill(writer)
        seen.add(path.read_bytes())
    assert seen == {b"a" * 400_000, b"b" * 400_000}


def test_the_temporary_file_of_a_killed_writer_is_used_again(tmp_path: Path) -> None:
    (tmp_path / ".file.tmp").write_text("half of something longer than the new content")
    write_atomically(tmp_path / "file", "new")
    assert tree(tmp_path) == {"file": b"new"}


def test_writers_at_the_same_time_do_not_mix_their_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    writers = [started(REWRITE, path, letter, 60) for letter in "abc"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            seen.add(path.read_bytes())
    assert [(writer.communicate(), writer.returncode) for writer in writers] == [(("ready\n", None), 0)] * 3
    assert seen <= {letter * 400_000 for letter in (b"a", b"b", b"c")}
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_the_temporary_file_may_lie_elsewhere(tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    with replacement(tmp_path / "file", temporary=staging / "growing") as sink:
        sink.write(b"new")
        assert [found.name for found in staging.iterdir()] == ["growing"]
    assert (tmp_path / "file").read_bytes() == b"new"
    assert tree(staging) == {}


@pytest.mark.parametrize("before", [["target"], [], ["target", ".target.old"], [".target.old"]])
def test_a_directory_takes_the_place_of_another(tmp_path: Path, before: list[str]) -> None:
    for name in before:
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "file").write_text("old")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "file").write_text("new")
    replace_directory(tmp_path / "new", tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert tree(tmp_path / "target") == {"file": b"new"}


# Locks.


def test_two_processes_never_hold_the_lock_together(tmp_path: Path) -> None:
    processes = [started(TAKE_TURNS, tmp_path / "lock") for _ in range(3)]
    assert [(process.communicate()[0], process.returncode) for process in processes] == [("", 0)] * 3


def test_a_lock_that_is_taken_is_refused_with_the_error_of_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "made" / "lock"
    refusal = Busy("one at a time")
    with exclusive(path), pytest.raises(Busy, match="one at a time"), exclusive(path, refusal=refusal):
        pytest.fail("two holders")
    with exclusive(path, refusal=refusal):
        pass


def test_a_refusal_comes_after_the_timeout_and_not_when_the_lock_becomes_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = started(HOLD, path)
    assert holder.stdout is not None
    holder.stdout.readline()
    begun = time.monotonic()
    with pytest.raises(Busy), exclusive(path, refusal=Busy("taken"), timeout_s=0.25):
        pytest.fail("two holders")
    assert time.monotonic() - begun >= 0.25
    threading.Timer(0.2, holder.kill).start()
    with exclusive(path, refusal=Busy("taken"), timeout_s=60.0):
        kill(holder)


def test_the_lock_of_a_killed_process_is_free_although_its_child_lives(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = """
import subprocess
with exclusive(path):
    child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, close_fds=False)
    print(child.pid, flush=True)
    time.sleep(60)
"""
    holder = started(code, path)
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    try:
        kill(holder)
        with exclusive(path, refusal=Busy("the child keeps the lock")):
            pass
    finally:
        os.kill(child, 9)


@pytest.mark.parametrize(
    ("first_shared", "second_shared", "granted"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_only_shared_locks_go_together(tmp_path: Path, first_shared: bool, second_shared: bool, granted: bool) -> None:
    with (tmp_path / "file").open("wb") as first, (tmp_path / "file").open("rb") as second:
        assert lock(first.fileno(), shared=first_shared, wait=False)
        assert lock(second.fileno(), shared=second_shared, wait=False) is granted


def test_modes_of_new_files_are_those_asked_for(tmp_path: Path) -> None:
    with exclusive(tmp_path / "lock", mode=0o600), appending(tmp_path / "lines", mode=0o600):
        assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600, 0o600]


# Durable append.


def add(path: Path, line: bytes) -> None:
    with appending(path) as file:
        append_line(file, line)


@pytest.mark.parametrize("room_bytes", [0, 1, 10])
def test_a_line_that_does_not_fit_on_the_disk_leaves_nothing(tmp_path: Path, room_bytes: int) -> None:
    path = tmp_path / "lines"
    add(path, b"first\n")
    with pytest.raises(OSError) as caught, file_limit(len(b"first\n") + room_bytes):
        add(path, b"of many words\n")
    assert is_disk_full(caught.value)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"first\n"
    add(path, b"second\n")
    assert path.read_bytes() == b"first\nsecond\n"


def test_a_line_that_cannot_be_synced_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lines"
    add(path, b"first\n")

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output error"):
        add(path, b"second\n")
    assert path.read_bytes() == b"first\n"


def test_an_unfinished_line_of_a_killed_writer_stays_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"first\nsec")
    add(path, b"third\n")
    assert path.read_bytes() == b"first\nsec\nthird\n"


def test_an_unfinished_line_stays_unfinished_when_the_next_one_fails(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"first\nsec")
    with pytest.raises(OSError), file_limit(20):
        add(path, b"third of many words\n")
    assert path.read_bytes() == b"first\nsec"


def test_the_rest_of_a_line_can_be_appended(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"first\nsec")
    with appending(path) as file:
        append(file, b"ond\n")
    assert path.read_bytes() == b"first\nsecond\n"


def test_a_line_and_the_name_of_a_new_file_are_on_disk_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    add(tmp_path / "lines", b"first\n")
    assert synced == [str(tmp_path), str(tmp_path / "lines")]
    add(tmp_path / "lines", b"second\n")
    assert synced[2:] == [str(tmp_path / "lines")]


def test_lines_of_killed_writers_that_were_acknowledged_are_whole(tmp_path: Path) -> None:
    path, rng = tmp_path / "lines", random.Random(2)
    acknowledged = []
    for name in "abcdef":
        writer = started(APPEND, path, name, 10**6)
        assert writer.stdout is not None
        lines = [writer.stdout.readline()]
        time.sleep(rng.uniform(0.0, 0.03))
        lines += kill(writer).splitlines()
        acknowledged += [f"{name} {int(line)}" for line in lines]
    add(path, b"last\n")
    found = path.read_bytes().splitlines()
    whole = {line.partition(b" x")[0].decode() for line in found if line.endswith(b" " + b"x" * 300_000)}
    assert set(acknowledged) <= whole
    assert found[-1] == b"last"


def test_no_other_writer_appends_meanwhile(tmp_path: Path) -> None:
    with appending(tmp_path / "lines"), (tmp_path / "lines").open("rb") as other:
        assert not lock(other.fileno(), wait=False)


def test_lines_of_writers_at_the_same_time_are_all_whole(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    writers = [started(APPEND, path, name, 10) for name in "ab"]
    assert [(writer.communicate()[0].count("\n"), writer.returncode) for writer in writers] == [(10, 0)] * 2
    expected = [b"%s %d %s" % (name, number, b"x" * 300_000) for name in (b"a", b"b") for number in range(10)]
    assert sorted(path.read_bytes().splitlines()) == sorted(expected)


@pytest.mark.parametrize(
    ("number", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EFBIG, True), (errno.EIO, False)]
)
def test_a_full_disk_is_no_space_no_quota_or_the_largest_file(number: int, full: bool) -> None:
    assert is_disk_full(OSError(number, os.strerror(number))) is full
