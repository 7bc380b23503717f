"""Beat within a worker: its tasks run, and neither goes on without the other."""

from pathlib import Path

import psutil

from tests.support.processes import running
from worker.celery.names import AGGREGATE_LISTENING


def test_a_worker_with_beat_runs_its_tasks_in_one_process(redis_url: str, tmp_path: Path) -> None:
    arguments = ["worker.celery", "--concurrency", "2", "--schedule", str(tmp_path / "schedule")]
    with running(
        arguments, folder=tmp_path, REDIS_URL=redis_url, DATABASE_URL=f"sqlite:///{tmp_path / 'zik.db'}"
    ) as process:
        process.wait_for(f"Task {AGGREGATE_LISTENING}")
        assert psutil.Process(process.pid).children() == []
        process.stop()
    assert "Traceback" not in process.log


def test_a_beat_that_ends_ends_its_worker(redis_url: str, tmp_path: Path) -> None:
    schedule = tmp_path / "missing" / "schedule"
    arguments = ["celery", "-A", "worker", "worker", "-c", "1", "--beat", "--schedule", str(schedule)]
    with running(arguments, folder=tmp_path, REDIS_URL=redis_url, DATABASE_URL="sqlite:///unused.db") as process:
        assert process.wait() == 1
    assert "beat has ended" in process.log
