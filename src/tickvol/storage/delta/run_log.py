"""Log of runs: one row in `pipeline_logs` per step that ended, and one for the run; also for runs that were killed.

While a run is open, a file in `runs/` below the tables names it and its current step. A run holds the lock of the
tables, so a file that a new run finds there belongs to a run that was killed.
"""

import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl

from tickvol import __version__
from tickvol.storage.delta.lake import Lake
from tickvol.storage.delta.shared_tables import PIPELINE_LOGS
from tickvol.storage.files import write_atomically

logger = logging.getLogger(__name__)

WHOLE_RUN = "run"
"""Step name of the row for a whole run."""


class OpenRun(msgspec.Struct, frozen=True):
    """A run that has not ended, as its file holds it."""

    run_id: str
    system: str
    config_hash: str
    started_us: int
    pid: int
    by_steps: bool = False
    step: str = ""
    step_started_us: int = 0
    failures: tuple[str, ...] = ()


@dataclass(slots=True)
class StepReport:
    """Figures of a step, which the step fills in."""

    rows_read: int = 0
    rows_written: int = 0
    rows_rejected: int = 0
    message: str = ""
    has_failed: bool = False


def uuid7(time_ms: int) -> str:
    """A UUID version 7 (RFC 9562), whose text sorts by its time.

    Parameters
    ----------
    time_ms : Unix time.

    >>> uuid7(0)[:15], len(uuid7(0))
    ('00000000-0000-7', 36)
    """
    value = (time_ms & (1 << 48) - 1) << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def time_of_uuid7(text: str) -> int:
    """Unix time of a UUID version 7, in ms."""
    return int(text.replace("-", "")[:12], 16)


class LoggedStep(NamedTuple):
    """The end of a step, as it was logged."""

    step: str
    status: str
    duration_s: float
    rows_written: int
    message: str


Listener = Callable[[LoggedStep], None]
"""Takes the end of each step."""


class RunLog:
    """The log of one run; `begin` opens it, or `resume` the run that another process began.

    Parameters
    ----------
    now_us : Unix time. monotonic : s, for durations. listener : takes the end of each step.
    """

    def __init__(
        self,
        lake: Lake,
        run: OpenRun,
        *,
        now_us: Callable[[], int],
        listener: Listener,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listener = listener
        self._lake = lake
        self._run = run
        self._now_us = now_us
        self._monotonic = monotonic

    @classmethod
    def begin(
        cls,
        lake: Lake,
        *,
        system: str,
        config_hash: str,
        now_us: Callable[[], int],
        listener: Listener,
        by_steps: bool = False,
    ) -> "RunLog":
        """Open a run whose id is above that of every earlier run, and log the runs of the system that were killed.

        Parameters
        ----------
        by_steps : whether other processes continue it, by `resume`.
        """
        log_killed_runs(lake, system, now_us)  # first: the new id must be above theirs
        time_ms = max(now_us() // 1000, _last_time_ms(lake) + 1)
        run = OpenRun(uuid7(time_ms), system, config_hash, now_us(), os.getpid(), by_steps)
        log = cls(lake, run, now_us=now_us, listener=listener)
        log._save()
        return log

    @classmethod
    def resume(cls, lake: Lake, *, system: str, now_us: Callable[[], int], listener: Listener) -> "RunLog | None":
        """Continue the newest run of a system that began as single steps and has not ended; None if there is none."""
        opened = [run for run in _open_runs(lake).values() if run.system == system and run.by_steps]
        if not opened:
            return None
        return cls(lake, max(opened, key=lambda run: run.run_id), now_us=now_us, listener=listener)

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self._run.run_id

    @property
    def failures(self) -> tuple[str, ...]:
        """Steps that failed so far, with their reasons."""
        return self._run.failures

    @contextmanager
    def step(self, name: str, *, table: str | None = None) -> Iterator[StepReport]:
        """Log a step when the block ends; an error is logged and raised again.

        Parameters
        ----------
        table : name of the table that the step writes.
        """
        report, started_us, started_s = StepReport(), self._now_us(), self._monotonic()
        self._run = msgspec.structs.replace(self._run, step=name, step_started_us=started_us)
        self._save()
        before = self._version(table)
        status, error_type = "success", None
        try:
            yield report
            if report.has_failed:
                status = "failed"
        except BaseException as error:
            status, error_type = "failed", type(error).__name__
            report.message = (str(error).splitlines() or [error_type])[0]
            raise
        finally:
            if status == "failed":
                failures = (*self._run.failures, f"{name}: {report.message}")
                self._run = msgspec.structs.replace(self._run, failures=failures)
            self._append(
                step=name,
                started_us=started_us,
                duration_s=self._monotonic() - started_s,
                status=status,
                rows_read=report.rows_read,
                rows_written=report.rows_written,
                rows_rejected=report.rows_rejected,
                message=report.message,
                error_type=error_type,
                table=table,
                table_version_before=before,
                table_version_after=self._version(table),
            )
            self._run = msgspec.structs.replace(self._run, step="")
            self._save()

    def skip(self, name: str, reason: str) -> None:
        """Log a step that is left out."""
        self._append(step=name, started_us=self._now_us(), status="skipped", message=reason)

    def end(self, message: str) -> bool:
        """Log the whole run and close it; True if no step failed."""
        failures = self._run.failures
        now_us = self._now_us()
        self._append(
            step=WHOLE_RUN,
            started_us=self._run.started_us,
            duration_s=max(now_us - self._run.started_us, 0) / 1e6,
            status="failed" if failures else "success",
            message="; ".join(failures) or message,
        )
        self._path().unlink(missing_ok=True)
        return not failures

    def _version(self, table: str | None) -> int | None:
        return None if table is None else self._lake.table(table).version()

    def _path(self) -> Path:
        return _runs_dir(self._lake) / f"{self._run.run_id}.json"

    def _save(self) -> None:
        path = self._path()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, msgspec.json.encode(self._run))

    def _append(self, **values: object) -> None:
        row = append_log_row(self._lake, self._run, self._now_us(), values)
        self._listener(LoggedStep(*(row[name] for name in LoggedStep._fields)))


def append_log_row(lake: Lake, run: OpenRun, ended_us: int, values: Mapping[str, object]) -> dict[str, Any]:
    """Append a row to the log and return it; the columns without a value are zero, empty or null."""
    row: dict[str, Any] = {
        "run_id": run.run_id,
        "system": run.system,
        "attempt": 1,
        "ended_us": ended_us,
        "duration_s": 0.0,
        "rows_read": 0,
        "rows_written": 0,
        "rows_rejected": 0,
        "config_hash": run.config_hash,
        "code_version": __version__,
        **values,
    }
    table = lake.table(PIPELINE_LOGS.name)
    earlier = table.read(where=(pl.col("run_id") == run.run_id) & (pl.col("step") == row["step"]), columns=["attempt"])
    row["attempt"] = len(earlier) + 1
    empty = table.read(where=pl.lit(False))
    frame = pl.DataFrame({name: [row.get(name)] for name in PIPELINE_LOGS.names}, schema=empty.schema)
    table.append(frame, run_id=run.run_id)
    return row


def log_killed_runs(lake: Lake, system: str, now_us: Callable[[], int]) -> None:
    """Log runs that ended without a row as failed. Call with the tables' lock held."""
    for path, run in _open_runs(lake).items():
        if run.system == system and _has_ended(lake, run.run_id):  # killed between its last row and the file's end
            path.unlink()
        elif run.system == system:
            where = f" in step {run.step}" if run.step else " between steps"
            values = {
                "step": WHOLE_RUN,
                "started_us": run.started_us,
                "status": "failed",
                "message": f"process {run.pid} ended{where} without finishing the run",
                "error_type": "Killed",
            }
            ended_us = min(int(path.stat().st_mtime * 1e6), now_us())
            append_log_row(lake, run, max(ended_us, run.started_us), values)
            path.unlink()
            logger.warning("run %s: %s", run.run_id, values["message"])


def _has_ended(lake: Lake, run_id: str) -> bool:
    is_end = (pl.col("run_id") == run_id) & (pl.col("step") == WHOLE_RUN)
    return not lake.table(PIPELINE_LOGS.name).read(where=is_end, columns=["run_id"]).is_empty()


def _runs_dir(lake: Lake) -> Path:
    return lake.directory / "runs"


def _open_runs(lake: Lake) -> dict[Path, OpenRun]:
    found = sorted(_runs_dir(lake).glob("*.json"))
    return {path: msgspec.json.decode(path.read_bytes(), type=OpenRun) for path in found}


def _last_time_ms(lake: Lake) -> int:
    last = lake.table(PIPELINE_LOGS.name).read(columns=["run_id"])["run_id"].max()
    return 0 if last is None else time_of_uuid7(str(last))
