"""The publisher's note: the old one or the new one, on disk before it takes the name, and one publisher an archive."""

import os
from pathlib import Path

import pytest

from tickvol.capture.publish_progress import ProgressFile, Published
from tickvol.core.errors import CorruptFile, WorkError
from tickvol.eventlog.archive_upkeep import PROGRESS_NAME
from tickvol.eventlog.tracker_snapshot import TrackerSnapshot

SNAPSHOT = TrackerSnapshot(("BTC-USD",), False, 1, [[0]], [], [])


def note(line: int) -> Published:
    return Published("a.ndjson", line, "ticks.raw", {0: line}, SNAPSHOT)


def test_a_note_is_read_as_it_was_written_and_forgotten(tmp_path: Path) -> None:
    progress = ProgressFile(tmp_path)
    assert progress.read() is None
    progress.write(note(1))
    progress.write(note(2))
    assert progress.read() == note(2)
    progress.forget()
    assert progress.read() is None
    progress.close()


def test_only_the_content_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    progress = ProgressFile(tmp_path)
    progress.write(note(1))
    assert synced == [(tmp_path / PROGRESS_NAME).stat().st_size]
    progress.close()


def test_a_note_that_cannot_be_written_is_a_clear_error_and_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    progress = ProgressFile(tmp_path)
    progress.write(note(1))
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WorkError, match=r"\.published\.json: cannot be written: No space left on device; free space"):
        progress.write(note(2))
    assert progress.read() == note(1)
    assert sorted(tmp_path.iterdir()) == before
    progress.close()


def test_a_damaged_note_is_told(tmp_path: Path) -> None:
    (tmp_path / PROGRESS_NAME).write_text("{")
    progress = ProgressFile(tmp_path)
    with pytest.raises(CorruptFile, match="cannot be read"):
        progress.read()
    progress.close()


def test_one_publisher_at_a_time(tmp_path: Path) -> None:
    first, second = ProgressFile(tmp_path), ProgressFile(tmp_path)
    assert first.lock()
    assert not second.lock()
    first.close()
    assert second.lock()
    second.close()
