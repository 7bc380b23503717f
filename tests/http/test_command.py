"""`zik serve` as its service manager sees it: what it logs, and what it does when a process of it dies."""

import json
from pathlib import Path

import psutil
from sqlalchemy import Engine

from tests.support.processes import eventually, running, url_of
from worker.local.http_server import answers
from worker.local.valkey import free_port


def test_a_process_that_dies_is_replaced_and_the_log_stays_json(redis_url: str, sqlite: Engine, tmp_path: Path) -> None:
    port = free_port()
    url, command = f"http://127.0.0.1:{port}", ["worker", "serve", "--port", str(port)]
    with running(command, folder=tmp_path, REDIS_URL=redis_url, DATABASE_URL=url_of(sqlite)) as server:
        eventually(lambda: answers(url), within_s=60, every_s=0.1, told=lambda: server.log)
        # granian forks it; a resource tracker has another command.
        serving = [child for child in psutil.Process(server.pid).children() if "serve" in child.cmdline()]
        assert len(serving) == 1
        serving[0].kill()
        server.wait_for("Unexpected exit")
        eventually(lambda: answers(url), within_s=60, every_s=0.1, told=lambda: server.log)
        server.stop()
    lines = [json.loads(line) for line in server.log.splitlines() if line]
    assert lines[0]["event"] == "serving HTTP"
    assert lines[0]["url"] == url
    assert {"timestamp", "level", "logger", "pid"} <= set.intersection(*map(set, lines))
