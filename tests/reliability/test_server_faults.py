"""A worker under which servers die, freeze and forget: it needs no help, buries nothing good, and the books balance.

A full Redis (F11) is in tests/drain/test_full_redis.py.
"""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import text

from tests.support.processes import eventually
from tests.support.rig import REDIS_PASSWORD, Rig
from worker.celery.names import RECORD_QUEUE
from worker.database.engine import transaction
from worker.errors import StreamUnavailableError
from worker.stream.keys import GROUP, STREAM

FULL = pytest.mark.full


# --- Redis ---------------------------------------------------------------------------------------


def test_f8_a_killed_and_restarted_redis_loses_nothing(rig: Rig) -> None:
    rig.publish(3_000)
    with rig.quiet():
        rig.valkey.kill()
        time.sleep(1)
        rig.valkey.start()
        rig.stream.close()
        rig.settle(within_s=10)
    rig.publish(100)
    rig.settle()


def test_f9_after_flushall_events_flow_and_the_log_stays_short(rig: Rig) -> None:
    with rig.valkey.client() as valkey, rig.quiet(lines_per_s=1):
        valkey.flushall()
        rig.redis_was_emptied()
        rig.publish(100)
        rig.settle(within_s=10)
        rig.publish(100)
        rig.settle()


def test_f9_a_repeatedly_destroyed_group_loses_nothing(rig: Rig) -> None:
    with rig.valkey.client() as valkey:
        for _ in range(5):
            rig.publish(400)
            valkey.xgroup_destroy(STREAM, GROUP)
            time.sleep(0.1)
    rig.settle()


@FULL
@pytest.mark.parametrize("frozen_s", [8, 30])
def test_f12_a_frozen_and_thawed_redis_loses_nothing(rig: Rig, frozen_s: int) -> None:
    rig.publish(2_000)
    with rig.quiet():
        rig.valkey.freeze()
        time.sleep(frozen_s)
        rig.valkey.thaw()
        rig.publish(100)
        rig.settle()


def test_f20_a_redis_with_a_full_disk_loses_nothing(rig: Rig) -> None:
    """Redis refuses every write once it could not save. Here a folder stands where the file should be."""
    with rig.valkey.client() as valkey, rig.quiet():
        in_the_way = Path(valkey.config_get("dir")["dir"]) / "dump.rdb"
        in_the_way.mkdir()
        valkey.config_set("save", "1 1")
        with pytest.raises(StreamUnavailableError, match="MISCONF"):
            publish_until_refused(rig)
        time.sleep(2)
        assert rig.worker.alive
        in_the_way.rmdir()
        valkey.bgsave()
        eventually(lambda: valkey.info()["rdb_last_bgsave_status"] == "ok", within_s=10)
        valkey.config_set("save", "")
        rig.publish(300)
        rig.settle()


def publish_until_refused(rig: Rig) -> None:
    for _ in range(200):
        rig.publish(1)
        time.sleep(0.05)


def test_f31_a_worker_recovers_from_a_changed_redis_password(rig: Rig) -> None:
    with rig.valkey.client() as valkey, rig.quiet():
        rig.publish(300)
        valkey.config_set("requirepass", "another")
        valkey.client_kill_filter(_type="normal", skipme=True)
        said = len(rig.worker.log)
        eventually(lambda: "invalid username-password" in rig.worker.log[said:], within_s=20)
        time.sleep(3)
        # Celery would give up after so many.
        assert "/100)" not in rig.worker.log[said:]
        valkey.config_set("requirepass", REDIS_PASSWORD)
        rig.stream.close()
        rig.settle()


def _message(*, changed_properties: dict[str, Any] | None = None, **changed: Any) -> str:
    """A message of Celery's that lets itself be taken, but for what is changed."""
    properties = {
        "delivery_tag": "junk",
        "delivery_info": {"exchange": "zik", "routing_key": RECORD_QUEUE},
        "body_encoding": "base64",
    }
    message = {"body": "W10=", "content-type": "application/json", "content-encoding": "utf-8", "headers": {}}
    return json.dumps({**message, "properties": {**properties, **(changed_properties or {})}, **changed})


JUNK: Final[dict[str, str | bytes]] = {
    "no JSON": "junk",
    "nothing": "",
    "binary": b"\xff\x00\x80",
    "a scalar": "7",
    "null": "null",
    "an array": "[{}]",
    "deep": "[" * 100_000,
    "an object without properties": "{}",
    "properties that are text": '{"body": "W10=", "headers": {}, "properties": "text"}',
    "no delivery": _message(changed_properties={"delivery_info": None}),
    "a tag that is an object": _message(changed_properties={"delivery_tag": {}}),
    "an exchange that is a number": _message(changed_properties={"delivery_info": {"exchange": 1, "routing_key": []}}),
    "a body that is no base64": _message(body="x"),
    "a body that is a number": _message(body=7),
    "headers that are an array": _message(headers=[]),
    "a task that is an object": _message(headers={"task": {}}),
    "a task without an id": _message(headers={"task": "unknown"}),
    "an unknown encoding": _message(
        changed_properties={"body_encoding": "rot13"}, headers={"task": "unknown", "id": "1"}
    ),
}


def test_f23_drains_go_on_with_junk_in_the_celery_queue(rig: Rig) -> None:
    said = len(rig.worker.log)
    with rig.valkey.client() as valkey:
        for junk in JUNK.values():
            # More than the worker has slots: none of them may be held for ever.
            valkey.lpush(RECORD_QUEUE, *[junk] * 5)
        rig.publish(100)
        rig.settle()
        eventually(lambda: valkey.llen(RECORD_QUEUE) == 0, within_s=30, told=lambda: rig.worker.log[-5_000:])
        eventually(lambda: not valkey.hexists("unacked", "junk"), within_s=30)
    assert "Connection to broker lost" not in rig.worker.log[said:]
    rig.publish(100)
    rig.settle()


# --- PostgreSQL ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["immediate", pytest.param("fast", marks=FULL), pytest.param("kill -9", marks=FULL)])
def test_f14_a_restart_of_postgresql_buries_nothing(rig: Rig, how: str) -> None:
    rig.publish(2_000)
    with rig.quiet():
        if how == "kill -9":
            rig.postgres.kill()
        else:
            rig.postgres.stop(how)
        rig.publish(500)
        time.sleep(2)
        assert rig.waiting() >= 500
        rig.postgres.start()
        rig.engine.dispose()
        rig.settle()


def test_f18_a_read_only_database_buries_nothing(rig: Rig) -> None:
    with rig.quiet():
        rig.postgres.run("ALTER DATABASE zik SET default_transaction_read_only = on")
        rig.disconnect()
        rig.publish(300)
        time.sleep(1)
        assert rig.waiting() == 300
        rig.postgres.run("ALTER DATABASE zik RESET default_transaction_read_only")
        rig.disconnect()
        rig.engine.dispose()
        rig.settle()


def test_f18_a_promoted_standby_is_used_over_open_connections(rig: Rig) -> None:
    alter = "ALTER SYSTEM SET default_transaction_read_only = {}"
    with rig.postgres.connect() as admin:
        admin.execute("SET default_transaction_read_only = off")
        admin.execute(alter.format("on").encode())
        admin.execute("SELECT pg_reload_conf()")
        rig.publish(300)
        time.sleep(1)
        assert rig.waiting() == 300
        admin.execute(alter.format("off").encode())
        admin.execute("SELECT pg_reload_conf()")
    rig.settle()


def test_f18_a_database_without_a_free_connection_buries_nothing(rig: Rig) -> None:
    with rig.quiet():
        rig.postgres.run("ALTER ROLE zik_worker CONNECTION LIMIT 0")
        rig.disconnect()
        rig.publish(300)
        time.sleep(1)
        assert rig.waiting() == 300
        rig.postgres.run("ALTER ROLE zik_worker CONNECTION LIMIT -1")
        rig.settle()


@FULL
def test_f18_a_role_that_may_not_log_in_buries_nothing(rig: Rig) -> None:
    rig.postgres.run("ALTER ROLE zik_worker NOLOGIN")
    rig.disconnect()
    rig.publish(300)
    time.sleep(2)
    assert rig.waiting() == 300
    rig.postgres.run("ALTER ROLE zik_worker LOGIN")
    rig.settle()


@FULL
def test_f18_a_full_database_disk_buries_nothing(rig: Rig) -> None:
    with small_disk(rig.postgres.socket.owner()) as disk:
        rig.postgres.run(f"CREATE TABLESPACE small LOCATION '{disk}'")
        rig.postgres.run("ALTER TABLE play_history SET TABLESPACE small", database="zik")
        (disk / "ballast").write_bytes(b"x" * shutil.disk_usage(disk).free)
        with rig.quiet():
            rig.publish(3_000)
            eventually(lambda: "53100" in rig.worker.log, within_s=30, told=lambda: rig.worker.log[-3_000:])
            time.sleep(1)
            assert rig.waiting() > 0
            (disk / "ballast").unlink()
            rig.settle()
        rig.postgres.run("ALTER TABLE play_history SET TABLESPACE pg_default", database="zik")
        rig.postgres.run("DROP TABLESPACE small")


@contextmanager
def small_disk(owner: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="zik-disk-") as name:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", name], check=False).returncode:
            pytest.skip("needs the right to mount")
        try:
            shutil.chown(name, owner)
            yield Path(name)
        finally:
            subprocess.run(["umount", "-l", name], check=True)


@FULL
def test_f17_a_lock_on_the_plays_buries_nothing(rig: Rig) -> None:
    with transaction(rig.engine) as session:
        session.execute(text("LOCK TABLE play_history"))
        rig.publish(300)
        # Longer than a batch waits for a lock.
        time.sleep(7)
        # The first entries are read one by one, and one that is no play has no need of the table.
        assert rig.waiting() >= 290
    rig.settle()


def test_f26_a_temporarily_missing_schema_buries_nothing(rig: Rig) -> None:
    with rig.quiet():
        rig.postgres.run("ALTER SCHEMA public RENAME TO elsewhere", database="zik")
        rig.publish(300)
        eventually(lambda: "run `zik init`" in rig.worker.log, within_s=10)
        assert rig.waiting() == 300
        rig.postgres.run("ALTER SCHEMA elsewhere RENAME TO public", database="zik")
        rig.settle()
