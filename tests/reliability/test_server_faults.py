"""A worker under which servers die, freeze and forget: it needs no help, buries nothing good, and the books balance.

A full Redis (F11) is in tests/integration/test_full_redis.py.
"""

import time
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.reliability.rig import Rig, open_rig
from tests.workers import eventually
from worker.database import transaction
from worker.keys import GROUP, RECORD_QUEUE, STREAM

FULL = pytest.mark.full


# --- Redis ---------------------------------------------------------------------------------------


def test_f8_a_redis_that_was_killed_and_restarted_has_lost_nothing(rig: Rig) -> None:
    rig.publish(3_000)
    with rig.quiet():
        rig.valkey.kill()
        time.sleep(1)
        rig.valkey.start()
        rig.stream.close()
        rig.settle(within_s=10)
    rig.publish(100)
    rig.settle()


def test_f9_after_flushall_new_events_flow_and_the_log_is_not_filled(rig: Rig) -> None:
    with rig.valkey.client() as valkey, rig.quiet(lines_per_s=1):
        valkey.flushall()
        rig.redis_was_emptied()
        rig.publish(100)
        rig.settle(within_s=10)
        rig.publish(100)
        rig.settle()


def test_f9_a_group_destroyed_again_and_again_loses_nothing(rig: Rig) -> None:
    with rig.valkey.client() as valkey:
        for _ in range(5):
            rig.publish(400)
            valkey.xgroup_destroy(STREAM, GROUP)
            time.sleep(0.1)
    rig.settle()


@FULL
@pytest.mark.parametrize("frozen_s", [8, 30])
def test_f12_a_redis_that_froze_and_thawed_has_lost_nothing(rig: Rig, frozen_s: int) -> None:
    rig.publish(2_000)
    with rig.quiet():
        rig.valkey.freeze()
        time.sleep(frozen_s)
        rig.valkey.thaw()
        rig.publish(100)
        rig.settle()


@FULL
@pytest.mark.xfail(reason="kombu ends the whole worker over a message that is not JSON")
def test_f23_the_drain_goes_on_when_celerys_queue_is_full_of_junk(tmp_path: Path) -> None:
    with open_rig(tmp_path) as own, own.valkey.client() as valkey:
        valkey.rpush(RECORD_QUEUE, *["junk"] * 50)
        own.publish(100)
        own.settle()


# --- PostgreSQL ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["immediate", pytest.param("fast", marks=FULL), pytest.param("kill -9", marks=FULL)])
def test_f14_a_postgresql_that_was_stopped_and_started_buries_nothing(rig: Rig, how: str) -> None:
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


def test_f18_a_database_that_only_reads_is_waited_for(rig: Rig) -> None:
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


def test_f18_a_standby_that_is_promoted_is_used_at_once_though_no_connection_has_ended(rig: Rig) -> None:
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


def test_f18_a_database_without_a_free_connection_is_waited_for(rig: Rig) -> None:
    with rig.quiet():
        rig.postgres.run("ALTER ROLE zik_worker CONNECTION LIMIT 0")
        rig.disconnect()
        rig.publish(300)
        time.sleep(1)
        assert rig.waiting() == 300
        rig.postgres.run("ALTER ROLE zik_worker CONNECTION LIMIT -1")
        rig.settle()


@FULL
def test_f18_a_role_that_may_not_log_in_is_waited_for(rig: Rig) -> None:
    rig.postgres.run("ALTER ROLE zik_worker NOLOGIN")
    rig.disconnect()
    rig.publish(300)
    time.sleep(2)
    assert rig.waiting() == 300
    rig.postgres.run("ALTER ROLE zik_worker LOGIN")
    rig.settle()


@FULL
def test_f17_behind_a_lock_on_the_plays_nothing_is_buried(rig: Rig) -> None:
    with transaction(rig.engine) as session:
        session.execute(text("LOCK TABLE play_history"))
        rig.publish(300)
        # Longer than a batch waits for a lock.
        time.sleep(7)
        assert rig.waiting() == 300
    rig.settle()


def test_f26_a_schema_that_is_missing_for_a_while_is_waited_for(rig: Rig) -> None:
    with rig.quiet():
        rig.postgres.run("ALTER SCHEMA public RENAME TO elsewhere", database="zik")
        rig.publish(300)
        eventually(lambda: "run `zik init`" in rig.worker.log, within_s=10)
        assert rig.waiting() == 300
        rig.postgres.run("ALTER SCHEMA elsewhere RENAME TO public", database="zik")
        rig.settle()
