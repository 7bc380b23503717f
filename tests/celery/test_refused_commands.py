"""A command that Redis does not permit is named, tried once a second at most, and works again by itself (S10)."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.events import play_payloads
from tests.support.processes import ROOT, Process, eventually, running_worker, url_of
from tests.support.servers import Valkey, own_valkey
from worker.stream.consumer import EventStream

_QUIET_S = 5.0


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    folder = tmp_path_factory.mktemp("guarded")
    users = folder / "users.acl"
    acl = (ROOT / "docs" / "redis.acl").read_text()
    users.write_text(f"{acl}user admin on >look allcommands allkeys allchannels\n")
    with own_valkey(folder, password="look", users=users) as valkey:  # noqa: S106 -- of this test
        yield valkey


@pytest.fixture
def worker(guarded: Valkey, sqlite: Engine, tmp_path: Path) -> Iterator[Process]:
    url = guarded.url_of("worker", "change-me-worker")
    with running_worker(redis_url=url, database_url=url_of(sqlite), folder=tmp_path) as worker:
        yield worker


_OF_THE_BROKER = ["brpop", "lpush", "llen", "hset", "hdel", "zrem", "multi"]
_OF_THE_STREAM = ["xreadgroup", "xautoclaim", "evalsha", "xack"]


def _names(command: str, log: str) -> bool:
    return f"'{command}'" in log or f"right to {command.upper()}" in log


@pytest.mark.parametrize(
    "command",
    [
        "zadd",
        *(pytest.param(each, marks=pytest.mark.full) for each in [*_OF_THE_BROKER, *_OF_THE_STREAM]),
    ],
)
def test_s10_a_refused_command_is_named_seldom_and_recovers(guarded: Valkey, worker: Process, command: str) -> None:
    said = len(worker.log)
    with guarded.client() as admin, EventStream.opened(guarded.url) as stream:
        recorded = stream.books().recorded
        admin.execute_command("ACL SETUSER", "worker", f"-{command}")
        try:
            stream.append(play_payloads(10))
            # A drain acknowledges by a script, and needs the command only for entries that vanished.
            if command != "xack":
                eventually(lambda: _names(command, worker.log[said:]), within_s=20, told=lambda: worker.log[said:])
            began, before = time.monotonic(), len(worker.log)
            time.sleep(_QUIET_S)
            lines = [line for line in worker.log[before:].splitlines() if re.search("error|warning", line)]
            assert len(lines) <= 2 * (time.monotonic() - began), "\n".join(lines)
            assert "Traceback" not in worker.log[said:]
        finally:
            admin.execute_command("ACL SETUSER", "worker", f"+{command}")
        eventually(
            lambda: stream.books().waiting == 0 and stream.books().recorded + stream.books().duplicate > recorded,
            within_s=30,
            told=lambda: worker.log[said:],
        )
        assert stream.books().dead == 0
