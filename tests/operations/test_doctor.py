"""What the doctor finds, each against a real server that has the trouble."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import redis
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from tests.support.events import play_payload
from tests.support.processes import eventually, url_of
from tests.support.rollup_rows import store_timezone
from worker.database.engine import open_engine, transaction
from worker.drain.drain import Drain
from worker.models import AccessToken, User
from worker.operations.doctor import Finding, examine
from worker.operations.doctor.redis import _clock
from worker.stream.consumer import EventStream
from worker.stream.consumer_names import slot_consumer
from worker.stream.keys import DRAINS, MEASURES, STREAM
from worker.stream.measurements import of_aggregation, of_http_report, of_http_request


def found(stream: EventStream, engine: Engine) -> dict[str, Finding]:
    return {finding.subject: finding for finding in examine(stream, engine)}


def test_a_running_drain_leaves_only_durability_findings(stream: EventStream, postgres: Engine) -> None:
    stream.append([play_payload()])
    Drain(stream, postgres, "a").run()
    stream.report("", of_aggregation())
    # The tests' servers are not durable, on purpose.
    troubles = {subject for subject, finding in found(stream, postgres).items() if not finding.well}
    assert troubles <= {"Persistence", "Durability"}


def test_no_drain_is_a_finding(stream: EventStream, sqlite: Engine, valkey: "redis.Redis") -> None:
    assert "none known" in found(stream, sqlite)["Drains"].found
    valkey.hset(DRAINS, "a", 1)
    assert "celery -A worker worker" in found(stream, sqlite)["Drains"].advice


def test_s4_two_workers_of_one_name_are_a_finding(stream: EventStream, sqlite: Engine) -> None:
    for slot in ("0", "1"):
        stream.report(slot_consumer("celery@here", slot), {})
    assert found(stream, sqlite)["Drains"].well
    stream.report("celery@here:1/5f1d8a2c9b3e4d7f", {})
    finding = found(stream, sqlite)["Drains"]
    assert "celery@here" in finding.found
    assert "-n NAME@%h" in finding.advice


def test_s3_a_clock_far_off_is_a_finding_that_says_what_it_stops() -> None:
    def clock(skew_s: float) -> Finding:
        return _clock({"server_time_usec": (time.time() - skew_s) * 1e6})

    assert clock(1).well
    assert clock(-60).advice == "set the clock of this machine or of Redis"
    assert "no worker here records anything" in clock(-7200).advice


def test_statistics_that_no_worker_computes_are_a_finding(
    stream: EventStream, sqlite: Engine, valkey: "redis.Redis"
) -> None:
    assert found(stream, sqlite)["Statistics"].found == "never brought up to date by a worker"
    valkey.hset(MEASURES, mapping=dict.fromkeys(of_aggregation(), 1))
    assert "celery -A worker beat" in found(stream, sqlite)["Statistics"].advice
    stream.report("", of_aggregation())
    assert found(stream, sqlite)["Statistics"].well


def test_an_http_server_that_is_silent_is_a_finding_for_a_day(
    stream: EventStream, sqlite: Engine, valkey: "redis.Redis"
) -> None:
    assert found(stream, sqlite)["HTTP server"] == Finding("HTTP server", "none has reported")
    now_s, _ = valkey.time()
    for silent_s, is_well in ((0, True), (30, True), (120, False), (80_000, False), (90_000, True)):
        valkey.hset(MEASURES, mapping=dict.fromkeys(of_http_report(), now_s - silent_s))
        finding = found(stream, sqlite)["HTTP server"]
        assert (finding.well, "zik serve" in finding.advice) == (is_well, not is_well), finding


def test_an_http_server_that_turns_players_away_is_a_finding_for_a_minute(
    stream: EventStream, sqlite: Engine, valkey: "redis.Redis"
) -> None:
    stream.report("", of_http_report() | of_http_request("/v1/events", 500, 0.1))
    assert found(stream, sqlite)["HTTP server"].well
    stream.report("", of_http_report() | of_http_request("/v1/events", 503, 0.1))
    finding = found(stream, sqlite)["HTTP server"]
    assert "an answer 503" in finding.found
    assert "players retry" in finding.advice
    (at,) = (
        of_http_request("/v1/events", 503, 0.1).keys()
        - of_http_request("/v1/events", 500, 0.1).keys()
        - {"http_requests//v1/events 503/sum"}
    )
    now_s, _ = valkey.time()
    valkey.hset(MEASURES, at, now_s - 120)
    assert found(stream, sqlite)["HTTP server"].well


def test_an_old_event_is_a_finding(stream: EventStream, sqlite: Engine, valkey: "redis.Redis") -> None:
    valkey.xadd(STREAM, {b"event": play_payload()}, id="1600000000000-0")
    assert "more workers" in found(stream, sqlite)["Backlog"].advice


def test_i47_an_id_from_the_future_is_a_finding(stream: EventStream, sqlite: Engine, valkey: "redis.Redis") -> None:
    valkey.xadd(STREAM, {b"event": play_payload()}, id="9999999999999-0")
    assert "ahead of the clock" in found(stream, sqlite)["Entry ids"].found
    valkey.xadd(STREAM, {b"event": play_payload()}, id=f"{2**64 - 1}-1")
    finding = found(stream, sqlite)["Entry ids"]
    assert finding.found == "exhausted"
    assert "DEL 'zik:{events}' 'zik:{events}:books'" in finding.advice


def test_dead_letters_are_reported_and_are_no_problem(stream: EventStream, engine: Engine) -> None:
    stream.append([b"{"])
    Drain(stream, engine, "a").run()
    finding = found(stream, engine)["Dead letters"]
    assert finding.found == "invalid_json 1 (zik dead list)"
    assert finding.well


def test_a_timezone_that_is_none_is_a_finding_that_names_its_users(stream: EventStream, engine: Engine) -> None:
    for user, value in {"ada": "Europe/Berlin", "bob": None, "eve\x1b[2J": "PST", "joe": 7}.items():
        store_timezone(engine, value, user=user)

    finding = found(stream, engine)["Timezones"]

    assert finding.found == "2 name none, and count in UTC: eve\\u001b[2J, joe"
    assert "zik user set" in finding.advice


def test_tokens_are_counted_and_those_that_rest_are_named(stream: EventStream, engine: Engine) -> None:
    assert found(stream, engine)["Tokens"] == Finding("Tokens", "0")
    now = datetime.now(UTC)
    long_ago = now - timedelta(days=91)
    with transaction(engine) as session:
        user = User(username="ada").save(session)
        for name, made_at, used_at in (
            ("rests since", long_ago, long_ago),
            ("never used", long_ago, None),
            ("new", now, None),
            ("in use", long_ago, now),
        ):
            made = {"user_id": user.id, "digest": name, "name": name, "scopes": "submit", "created_at": made_at}
            AccessToken(**made, last_used_at=used_at).save(session)
    finding = found(stream, engine)["Tokens"]
    assert finding.found == "4, 2 of them not used for 90 days (zik token list)"
    assert finding.well


def test_tokens_that_cannot_be_read_are_a_finding(stream: EventStream, postgres: Engine) -> None:
    with transaction(postgres) as session:
        session.execute(text("ALTER TABLE tokens RENAME TO elsewhere"))
    try:
        assert not found(stream, postgres)["Database"].well
    finally:
        with transaction(postgres) as session:
            session.execute(text("ALTER TABLE elsewhere RENAME TO tokens"))


def test_missing_rights_to_measure_are_a_finding(
    stream: EventStream, sqlite: Engine, valkey: "redis.Redis", redis_url: str
) -> None:
    """As after an upgrade with the ACL file of an older release."""
    valkey.execute_command("ACL", "SETUSER", "old", "on", "nopass", "+@all", f"~{STREAM}", f"~{STREAM}:books")  # type: ignore[no-untyped-call]
    old = EventStream.at(redis_url.replace("redis://", "redis://old:any@"))
    try:
        stream.append([play_payload()])
        assert Drain(old, sqlite, "a").run().events == 1
        assert "docs/redis.acl" in found(old, sqlite)["Measures"].advice
    finally:
        old.close()
        valkey.execute_command("ACL", "DELUSER", "old")  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("setting", ["synchronous_commit"])
def test_a_database_that_forgets_commits_is_a_finding(stream: EventStream, postgres: Engine, setting: str) -> None:
    with altered(postgres, setting, "off") as engine:
        assert "COMMIT must have reached the disk" in found(stream, engine)["Durability"].advice


@contextmanager
def altered(engine: Engine, setting: str, value: str) -> Iterator[Engine]:
    """An engine whose database has this setting."""
    admin = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    admin.execute(text(f"ALTER DATABASE {engine.url.database} SET {setting} = {value}"))
    another = open_engine(url_of(engine))
    try:
        yield another
    finally:
        another.dispose()
        admin.execute(text(f"ALTER DATABASE {engine.url.database} RESET {setting}"))
        admin.close()


INDEX = "CREATE UNIQUE INDEX CONCURRENTLY left_behind ON app_users (is_active)"


@pytest.fixture
def indexing(postgres: Engine) -> Iterator[Engine]:
    """An engine for commands that no transaction may hold; the index of the test is gone afterwards."""
    engine = postgres.execution_options(isolation_level="AUTOCOMMIT")
    yield engine
    with engine.connect() as connection:
        connection.execute(text("DROP INDEX IF EXISTS left_behind"))


def test_an_invalid_index_is_a_finding_until_it_is_dropped(
    stream: EventStream, postgres: Engine, indexing: Engine
) -> None:
    assert found(stream, postgres)["Indexes"] == Finding("Indexes", "all valid")
    with transaction(postgres) as session:
        session.add_all([User(username="ada"), User(username="bob")])
    with indexing.connect() as connection:
        with pytest.raises(IntegrityError):
            connection.execute(text(INDEX))
        finding = found(stream, postgres)["Indexes"]
        assert finding.found == "invalid: left_behind"
        (drop,) = [part for part in finding.advice.split(": ")[1].split(";") if part.startswith("DROP")]
        connection.execute(text(drop))
    assert found(stream, postgres)["Indexes"].well


def test_an_index_that_is_being_built_is_no_finding(stream: EventStream, postgres: Engine, indexing: Engine) -> None:
    started = text("SELECT count(*) FROM pg_index WHERE NOT indisvalid")
    with ThreadPoolExecutor(1) as pool, postgres.connect() as looker, transaction(postgres) as writer:
        # Whoever builds an index waits for those who are writing to its table.
        User(username="ada").save(writer)
        writer.flush()
        building = pool.submit(_execute, indexing, INDEX)
        eventually(lambda: looker.scalar(started) == 1, within_s=30, every_s=0.05)
        finding = found(stream, postgres)["Indexes"]
        writer.commit()
        building.result(timeout=30)
    assert finding.well
    assert found(stream, postgres)["Indexes"].well


def _execute(engine: Engine, statement: str) -> None:
    with engine.connect() as connection:
        connection.execute(text(statement))
