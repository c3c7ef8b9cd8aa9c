"""The scheduler's home: nothing is sent, one scheduler at a time, and runs whose process was killed hold up nobody."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from tests.orchestration.conftest import Commands
from tickvol.core.errors import Busy
from tickvol.orchestration.definitions import define
from tickvol.orchestration.home import MAKER_TAG, fail_dead_runs, only_scheduler, open_instance, this_process

STARTED = dg.DagsterRunStatus.STARTED


def test_nothing_is_sent_and_one_run_is_at_work_at_a_time(instance: dg.DagsterInstance) -> None:
    assert instance.telemetry_enabled is False
    assert instance.nux_enabled is False
    assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 1  # type: ignore[union-attr]


def test_settings_that_were_changed_by_hand_are_written_anew(tmp_path: Path) -> None:
    with open_instance(tmp_path):
        (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: true}\n")
    with open_instance(tmp_path) as again:
        assert again.telemetry_enabled is False


def test_a_second_scheduler_is_refused_and_a_later_one_is_not(tmp_path: Path) -> None:
    with only_scheduler(tmp_path), pytest.raises(Busy, match="another scheduler is at work"), only_scheduler(tmp_path):
        pass
    with only_scheduler(tmp_path):
        pass


def test_only_runs_of_dead_processes_are_marked_as_failed(
    place: Path, commands: Commands, instance: dg.DagsterInstance
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    makers = {"alive": this_process(), "gone": f"{gone.pid}@1.00", "reused": f"{os.getpid()}@1.00", "scheduler": None}
    job = define(Path("config.yaml"), commands).resolve_job_def("evaluate")
    runs = {
        name: instance.create_run_for_job(job, status=STARTED, tags={MAKER_TAG: maker} if maker else {})
        for name, maker in makers.items()
    }

    def at_work() -> set[str]:
        found = {name: instance.get_run_by_id(run.run_id) for name, run in runs.items()}
        return {name for name, run in found.items() if run is not None and run.status is STARTED}

    assert fail_dead_runs(instance, of_scheduler=False) == 2
    assert at_work() == {"alive", "scheduler"}
    assert fail_dead_runs(instance, of_scheduler=True) == 1
    assert at_work() == {"alive"}
    instance.delete_run(runs["alive"].run_id)
