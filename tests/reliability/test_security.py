"""Nobody learns from a log who listens to what, or a password; and no role may do more than its work needs."""

import asyncio
import base64
import json
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import Engine

from tests.support.events import play_payload
from tests.support.processes import ROOT, count, eventually, running, running_worker, url_of
from tests.support.rig import LISTENING, ROLES, SECRETS, Rig
from tests.support.servers import Valkey, own_valkey
from worker.books import Outcome
from worker.celery.names import MAINTENANCE_QUEUE
from worker.client import Client
from worker.database.engine import open_engine
from worker.database.schema import bring_up_schema
from worker.drain.drain import Drain
from worker.errors import DatabaseMisusedError
from worker.operations.tokens import announce_revoked
from worker.stream.announcements import announcements
from worker.stream.async_inspection import AsyncInspector
from worker.stream.async_stream import AsyncStream
from worker.stream.consumer import EventStream
from worker.stream.inspection import StreamInspector
from worker.stream.keys import BOOKS, CHANGED, DRAINS, FIELD, REVOKED, STREAM
from worker.stream.multiplexer import Multiplexer

ACL: Final = ROOT / "docs" / "redis.acl"
SPLITTING: Final = "a\r\n[2026-11-23 12:00:00] FORGED line\x1b[31m\u2028\u0085\x0b"


# --- what a log says -----------------------------------------------------------------------------


@pytest.fixture
def log_of_troubles(rig: Rig) -> str:
    """What the worker has to say of a database and a Redis that are away, and of a missing schema."""
    said = len(rig.worker.log)
    rig.postgres.run("ALTER ROLE zik_worker NOLOGIN")
    rig.disconnect()
    rig.publish(20)
    eventually(lambda: "database" in rig.worker.log[said:], within_s=15)
    rig.postgres.run("ALTER ROLE zik_worker LOGIN")
    rig.settle()
    rig.postgres.run("ALTER SCHEMA public RENAME TO elsewhere", database="zik")
    rig.publish(20)
    eventually(lambda: "zik init" in rig.worker.log[said:], within_s=15)
    rig.postgres.run("ALTER SCHEMA elsewhere RENAME TO public", database="zik")
    rig.settle()
    rig.valkey.kill()
    eventually(lambda: "consumer: Cannot connect" in rig.worker.log[said:], within_s=15)
    rig.valkey.start()
    rig.stream.close()
    rig.settle()
    return rig.worker.log[said:]


def test_no_fault_puts_a_password_or_a_listener_into_the_log(log_of_troubles: str) -> None:
    assert [secret for secret in SECRETS if secret in log_of_troubles] == []


def test_a_row_the_database_refuses_is_not_quoted_in_the_log(rig: Rig) -> None:
    rig.postgres.run("ALTER TABLE play_history ADD CONSTRAINT no_beast CHECK (ms_played <> 666)", database="zik")
    try:
        rig.stream.append([play_payload(f"{LISTENING}{number}", user=LISTENING, ms_played=666) for number in range(3)])
        rig.received += 3
        eventually(rig.dry, within_s=15, told=lambda: rig.worker.log[-3_000:])
        assert count(rig.engine, "dead_letters", "reason = 'refused_by_database' AND detail LIKE '%no_beast%'") == 3
        assert count(rig.engine, "dead_letters", f"detail LIKE '%{LISTENING.strip()}%'") == 0
        rig.keeps_its_secrets()
    finally:
        # What the oracle cannot know, because it depends on this database, is put away.
        rig.postgres.run("DELETE FROM dead_letters WHERE reason = 'refused_by_database'", database="zik")
        rig.postgres.run("ALTER TABLE play_history DROP CONSTRAINT no_beast", database="zik")


def test_i26_no_text_of_a_client_can_split_a_line_of_the_log(rig: Rig) -> None:
    said = len(rig.worker.log)
    nasty = [
        play_payload(SPLITTING, user=SPLITTING, source=SPLITTING[:80]),
        play_payload(type=SPLITTING),
        play_payload(more={SPLITTING: 1}, ms_played=SPLITTING),
        json.dumps({"type": "play", "song": {SPLITTING: SPLITTING}}).encode(),
        SPLITTING.encode(),
    ]
    rig.stream.append(nasty)
    rig.published += nasty
    rig.received += len(nasty)
    rig.settle()
    assert "FORGED" not in rig.worker.log[said:]


def test_i26_a_dead_letter_cannot_write_to_the_terminal(
    stream: EventStream, redis_url: str, sqlite: Engine, tmp_path: Path
) -> None:
    stream.append([SPLITTING.encode(), b'{"v": 9, "\x1b[2J": "\xc2\x9b31m"}'])
    Drain(stream, sqlite, "a").run()
    for command in (["list"], ["list", "--json"], ["show", "1"], ["show", "2"], ["show", "2", "--json"]):
        with running(
            ["worker", "dead", *command], folder=tmp_path, REDIS_URL=redis_url, DATABASE_URL=url_of(sqlite)
        ) as process:
            process.wait()
        assert "\x1b" not in process.log
        assert "\x9b" not in process.log


def test_i49_a_message_of_yaml_is_refused_and_the_worker_lives(rig: Rig) -> None:
    body = base64.b64encode(b"!!python/object/apply:os.system ['true']").decode()
    message: dict[str, Any] = {
        "body": body,
        "content-type": "application/x-yaml",
        "content-encoding": "utf-8",
        "headers": {"task": "worker.tasks.maintenance", "id": "yaml"},
        "properties": {
            "delivery_tag": "yaml",
            "delivery_info": {"exchange": "zik", "routing_key": MAINTENANCE_QUEUE},
            "body_encoding": "base64",
        },
    }
    with rig.valkey.client() as valkey:
        valkey.lpush(MAINTENANCE_QUEUE, json.dumps(message))
    rig.worker.wait_for("ContentDisallowed", within_s=10)
    rig.publish(10)
    rig.settle()


# --- Redis: an ACL for publishers and workers ----------------------------------------------------


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Valkey with the users of docs/redis.acl, and an admin to look on."""
    folder = tmp_path_factory.mktemp("guarded")
    users = folder / "users.acl"
    users.write_text(f"{ACL.read_text()}user admin on >look allcommands allkeys allchannels\n")
    with own_valkey(folder, password="look", users=users) as valkey:  # noqa: S106 -- of this test
        yield valkey


@contextmanager
def as_user(valkey: Valkey, user: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(valkey.url_of(user, f"change-me-{user}")) as client:
        yield client


def test_a_publisher_may_publish_durably_and_check_backpressure(guarded: Valkey) -> None:
    url = guarded.url_of("publisher", "change-me-publisher")
    with Client(url, sync=True, durable=True, max_waiting=1_000) as client:
        client.play(user="ada", artist="Tool", title="Parabola")


def test_the_http_door_may_do_all_of_its_work(guarded: Valkey) -> None:
    url = guarded.url_of("door", "change-me-door")
    admin = EventStream.at(guarded.url)

    async def work() -> None:
        stream = AsyncStream(url, max_waiting=100_000)
        await stream.set_now_playing("ada", b"{}", ttl_s=60)
        accepted = await stream.append([play_payload("by the door")], now_playing_of="ada")
        assert (len(accepted.entry_ids), accepted.now_playing) == (1, b"{}")
        await stream.clear_now_playing("ada", only=b"{}")
        assert await stream.now_playing("ada") is None
        assert await stream.letters_left(1, wanted=1, day=date(2026, 11, 23), most=100) == 1
        await stream.put("state", b"1", ttl_s=60)
        assert await stream.get("state") == await stream.take("state") == b"1"
        await stream.report({"a/b/sum": 1, "a/b/at": 0})
        await stream.announce_revoked(["other"])
        stream.close()
        redis = Multiplexer(url)
        inspector = AsyncInspector(redis)
        assert (await inspector.books()).waiting == admin.books().waiting > 0
        assert await inspector.last_progress_s() == {}
        await inspector.amend(1, source=Outcome.DEAD, target=Outcome.DUPLICATE)
        redis.close()
        async with aclosing(announcements(url, REVOKED)) as listening:
            assert await anext(listening) is None
            with as_user(guarded, "worker") as worker:
                StreamInspector(worker).announce_revoked(["digest"])
            assert await anext(listening) == "digest"
        async with aclosing(announcements(url, CHANGED)) as listening:
            assert await anext(listening) is None
            with as_user(guarded, "worker") as worker:
                StreamInspector(worker).announce_changed(["ada"])
            assert await anext(listening) == '["ada"]'

    with guarded.client() as looking_on:
        looking_on.acl_log_reset()
        asyncio.run(asyncio.wait_for(work(), 60))
        assert looking_on.acl_log() == []
    assert admin.measures()["a/b/sum"] == 1
    admin.close()


FORBIDDEN: Final[dict[str, list[tuple[Any, ...]]]] = {
    "publisher": [
        ("XRANGE", STREAM, "-", "+"), ("XINFO", "STREAM", STREAM), ("XLEN", BOOKS),
        ("XDEL", STREAM, "1-1"), ("XTRIM", STREAM, "MAXLEN", 0),
        ("XREADGROUP", "GROUP", "recorders", "me", "STREAMS", STREAM, ">"), ("DEL", STREAM),
        ("XADD", BOOKS, "*", "a", 1), ("HSET", BOOKS, "recorded", 0), ("LPUSH", MAINTENANCE_QUEUE, "{}"),
        ("KEYS", "*"), ("FLUSHALL",),
        ("CONFIG", "GET", "*"), ("EVAL", "return 1", 0), ("SUBSCRIBE", "x"), ("ACL", "LIST"), ("INFO",),
    ],
    "door": [
        ("XRANGE", STREAM, "-", "+"), ("XLEN", BOOKS), ("XDEL", STREAM, "1-1"), ("XTRIM", STREAM, "MAXLEN", 0),
        ("XREADGROUP", "GROUP", "recorders", "me", "STREAMS", STREAM, ">"), ("DEL", STREAM), ("GET", STREAM),
        ("XADD", BOOKS, "*", "a", 1), ("HSET", BOOKS, "recorded", 0), ("LPUSH", MAINTENANCE_QUEUE, "{}"),
        ("EVAL", "return redis.call('DEL', KEYS[1])", 1, STREAM), ("EVAL", "return redis.call('FLUSHALL')", 0),
        ("EVAL", "return redis.call('HSET', KEYS[1], 'a', 1)", 1, BOOKS),
        ("KEYS", "*"), ("SCAN", 0), ("FLUSHALL",), ("CONFIG", "GET", "*"), ("ACL", "LIST"), ("INFO",),
        ("PUBLISH", "other", "x"), ("SUBSCRIBE", "other"), ("DEL", BOOKS), ("HSET", DRAINS, "a", 1),
    ],
    "worker": [
        ("FLUSHALL",), ("FLUSHDB",), ("CONFIG", "SET", "maxmemory", 1), ("KEYS", "*"), ("SET", "other", 1),
        ("GET", "other"), ("SHUTDOWN",), ("ACL", "LIST"), ("MONITOR",), ("XTRIM", STREAM, "MAXLEN", 0),
        ("EVAL", "return redis.call('FLUSHALL')", 0), ("XADD", STREAM, "*", "event", "{}"),
        ("PUBLISH", "/0.celeryev/worker.heartbeat", "{}"), ("PUBLISH", "other", "x"), ("SUBSCRIBE", REVOKED),
    ],
    "control": [
        ("XADD", STREAM, "*", "event", "{}"), ("XRANGE", STREAM, "-", "+"), ("XLEN", STREAM), ("DEL", STREAM),
        ("XREADGROUP", "GROUP", "recorders", "me", "STREAMS", STREAM, ">"), ("HSET", BOOKS, "recorded", 0),
        ("SET", "other", 1), ("GET", "other"), ("KEYS", "*"), ("SCAN", 0), ("FLUSHALL",), ("INFO",), ("MONITOR",),
        ("CONFIG", "GET", "*"), ("ACL", "LIST"), ("SHUTDOWN",), ("PUBLISH", "other", "x"), ("PSUBSCRIBE", "*"),
        ("EVAL", "return redis.call('FLUSHALL')", 0), ("EVAL", "return redis.call('GET', 'other')", 0),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("user", "command"), [(user, command) for user, commands in FORBIDDEN.items() for command in commands]
)
def test_a_redis_user_may_run_no_command_outside_its_role(guarded: Valkey, user: str, command: tuple[Any, ...]) -> None:
    with as_user(guarded, user) as client, pytest.raises(redis.ResponseError, match=r"(?i)permission|ACL"):
        client.execute_command(*command)  # type: ignore[no-untyped-call]  # It takes anything.


def test_redis_refuses_unauthenticated_clients(guarded: Valkey) -> None:
    with redis.Redis(port=guarded.port, retry=Retry(NoBackoff(), 0)) as client, pytest.raises(redis.RedisError):
        client.ping()


def test_a_worker_may_do_all_of_its_work(guarded: Valkey, sqlite: Engine, tmp_path: Path) -> None:
    stream = EventStream.at(guarded.url)
    url = guarded.url_of("worker", "change-me-worker")
    with (
        guarded.client() as admin,
        running_worker(redis_url=url, database_url=url_of(sqlite), folder=tmp_path) as worker,
    ):
        admin.acl_log_reset()
        admin.xadd(STREAM, {FIELD: play_payload("guarded"), b"more": b""})
        admin.xadd(STREAM, {FIELD: b"{"})
        eventually(lambda: stream.books().waiting == 0, within_s=20, told=lambda: worker.log)
        admin.xgroup_destroy(STREAM, "recorders")
        admin.xadd(STREAM, {FIELD: play_payload("again")})
        eventually(lambda: stream.books().waiting == 0, within_s=20, told=lambda: worker.log)
        worker.stop()
        refused = [entry for entry in admin.acl_log() if entry["username"] == "worker"]
    assert refused == []
    assert "NOPERM" not in worker.log
    assert "change-me" not in worker.log
    stream.close()


def test_a_worker_may_record_pending_entries(guarded: Valkey, sqlite: Engine) -> None:
    stream = EventStream.at(guarded.url_of("worker", "change-me-worker"))
    with guarded.client() as admin:
        admin.xadd(STREAM, {FIELD: play_payload("unfinished")})
    stream.ensure_group()
    stream.read_new("a", count=1, block_ms=0)
    Drain(stream, sqlite, "a").run()
    assert stream.books().pending == 0
    stream.close()


def test_an_operator_may_announce_revoked_tokens_as_the_worker(guarded: Valkey) -> None:
    with StreamInspector.opened(guarded.url_of("worker", "change-me-worker")) as stream:
        assert announce_revoked(stream, ["digest"])


@pytest.mark.parametrize("command", [["drain"], ["status"], ["dead", "retry", "--all"], ["forget", "nobody", "--yes"]])
def test_an_operators_commands_work_as_the_worker(
    guarded: Valkey, sqlite: Engine, tmp_path: Path, command: list[str]
) -> None:
    url = guarded.url_of("worker", "change-me-worker")
    with running(["worker", *command], folder=tmp_path, REDIS_URL=url, DATABASE_URL=url_of(sqlite)) as process:
        process.wait()
    assert "permission" not in process.log
    assert "Redis refuses" not in process.log


# --- PostgreSQL: a role without DDL --------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "ALTER TABLE play_history ADD COLUMN mine int",
        "DROP TABLE play_history",
        "TRUNCATE play_history",
        "CREATE INDEX mine ON play_history (ms_played)",
        "CREATE ROLE mine",
        "COPY play_history TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
        "SET ROLE zik_owner",
    ],
)
def test_the_workers_role_may_run_no_ddl_and_no_file_access(rig: Rig, statement: str) -> None:
    with (
        psycopg.connect(host=str(rig.postgres.socket.parent), user="zik_worker", dbname="zik") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


def test_the_workers_database_role_may_do_all_of_its_work(rig: Rig) -> None:
    """The rig's worker has that role, so that every fault of this folder is met with it."""
    assert "zik_worker" in ROLES.read_text()
    rig.publish(100)
    rig.settle()
    rig.worker.wait_for("nothing to do, schema")
    assert "(42501" not in rig.worker.log


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM dead_letters",
        "UPDATE dead_letters SET attempts = 0",
        "INSERT INTO app_users (username) VALUES ('eve')",
        "UPDATE app_users SET username = 'eve'",
        "DELETE FROM app_users",
        "INSERT INTO tokens (user_id, digest, name, scopes) VALUES (1, 'a', 'a', 'admin')",
        "UPDATE tokens SET scopes = 'admin'",
        "UPDATE tokens SET digest = 'a'",
        "DELETE FROM tokens",
        "INSERT INTO songs SELECT * FROM songs",
        "UPDATE play_history SET ms_played = 1",
        "UPDATE corrected_plays SET is_deletion = false",
        "UPDATE songs SET title = 'a'",
        "DELETE FROM favorites",
        "DELETE FROM pending_feedback",
        "SELECT * FROM alembic_version",
        "CREATE TABLE mine (id int)",
        "TRUNCATE play_history",
        "SET ROLE zik_worker",
    ],
)
def test_the_http_servers_role_may_do_nothing_outside_its_work(rig: Rig, statement: str) -> None:
    """What it may do, and does, is tried by tests/http, whose server has this role."""
    with (
        psycopg.connect(host=str(rig.postgres.socket.parent), user="zik_door", dbname="zik") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


def test_a_role_of_the_http_server_that_comes_later_gets_its_rights_by_the_next_init(rig: Rig) -> None:
    rig.postgres.run("CREATE DATABASE later")
    roles = ROLES.read_text()
    for role in ("zik_owner", "zik_worker", "zik_door"):  # The cluster has them already.
        roles = roles.replace(f"CREATE ROLE {role} LOGIN;", "")
    rig.postgres.run(roles, "REVOKE ALL ON SCHEMA public FROM zik_door", database="later")
    owner = open_engine(rig.postgres.url("later", user="zik_owner"))
    assert bring_up_schema(owner).outcome == "created"
    rig.postgres.run("GRANT USAGE ON SCHEMA public TO zik_door", database="later")
    rig.postgres.run("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM zik_door", database="later")
    door = open_engine(rig.postgres.url("later", user="zik_door"))
    with pytest.raises(DatabaseMisusedError, match="docs/postgresql-roles"):
        count(door, "tokens")
    # A worker brings the schema up too, and may grant nothing.
    worker = open_engine(rig.postgres.url("later", user="zik_worker"))
    assert bring_up_schema(worker).outcome == "unchanged"
    assert bring_up_schema(owner).outcome == "unchanged"
    assert count(door, "tokens") == 0
    for engine in (owner, worker, door):
        engine.dispose()
