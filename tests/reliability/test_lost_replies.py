"""The server has acted and nobody heard of it; or it says nothing at all (F12, F13, F15)."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine, text

from tests.support import oracle
from tests.support.events import play_payload, play_payloads
from tests.support.load import Load
from tests.support.processes import count
from tests.support.proxy import Proxy, proxied
from worker.books import Outcome
from worker.database.engine import open_engine, transaction, without_statement_timeout
from worker.drain.drain import Drain
from worker.errors import DatabaseUnavailableError, StreamUnavailableError
from worker.stream.consumer import EventStream

# For a call that has 0.4 s and may be delayed by a busy machine.
SOON_S = 4.0

# With its end, because BEGIN names the isolation READ COMMITTED.
COMMIT = b"COMMIT\0"


@pytest.fixture
def redis_proxy(redis_url: str) -> Iterator[Proxy]:
    port = urlsplit(redis_url).port
    assert port is not None
    with proxied(("127.0.0.1", port)) as proxy:
        yield proxy


@pytest.fixture
def proxied_stream(redis_proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[EventStream]:
    """The stream as seen through the proxy, by somebody who waits 0.4 s for a reply."""
    monkeypatch.setattr("worker.stream.connection.SOCKET_TIMEOUT_S", 0.4)
    stream = EventStream.at(f"redis://127.0.0.1:{redis_proxy.port}/0")
    yield stream
    stream.close()


@pytest.fixture
def postgres_proxy(postgres: Engine) -> Iterator[Proxy]:
    with proxied(Path(str(postgres.url.query["host"])) / ".s.PGSQL.5432") as proxy:
        yield proxy


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.database.engine.SILENCE_S", 1.0)


@pytest.fixture
def proxied_postgres(
    postgres: Engine, postgres_proxy: Proxy, monkeypatch: pytest.MonkeyPatch, _impatient: None
) -> Iterator[Engine]:
    monkeypatch.setattr("worker.database.engine.CONNECT_TIMEOUT_S", 2)
    engine = open_engine(
        f"postgresql+psycopg://postgres@127.0.0.1:{postgres_proxy.port}/{postgres.url.database}?sslmode=disable"
    )
    yield engine
    engine.dispose()


# --- the reply is lost ---------------------------------------------------------------------------


def test_f13_an_event_resent_after_a_lost_reply_is_one_row(
    stream: EventStream, proxied_stream: EventStream, redis_proxy: Proxy, engine: Engine
) -> None:
    events = play_payloads(30)
    redis_proxy.lose_reply_to(b"XADD")
    with pytest.raises(StreamUnavailableError):
        proxied_stream.append(events)
    assert redis_proxy.lost == 1
    proxied_stream.append(events)
    Drain(stream, engine, "a").run()
    oracle.check(events + events, stream, engine)
    assert stream.books().duplicate == 30


def test_f13_entries_of_a_lost_delivery_are_read_again(
    stream: EventStream, proxied_stream: EventStream, redis_proxy: Proxy, engine: Engine
) -> None:
    events = Load(7).take(100)
    stream.append(events)
    drain = Drain(proxied_stream, engine, "a")
    # The first read is of what the consumer left pending; the trigger is the one of new entries.
    redis_proxy.lose_reply_to(b">\r\n")
    with pytest.raises(StreamUnavailableError):
        drain.run()
    assert redis_proxy.lost == 1
    assert stream.books().pending == 100
    drain.run()
    oracle.check(events, stream, engine)


def test_f13_an_acknowledgement_with_a_lost_reply_counts_once(
    stream: EventStream, proxied_stream: EventStream, redis_proxy: Proxy, engine: Engine
) -> None:
    drain = Drain(proxied_stream, engine, "a")
    events = play_payloads(100)
    stream.append(events[:50])
    drain.run()  # Now Redis knows the script, and the next EVALSHA is the acknowledgement itself.
    stream.append(events[50:])
    redis_proxy.lose_reply_to(proxied_stream._acknowledge.sha.encode())
    with pytest.raises(StreamUnavailableError):
        drain.run()
    assert redis_proxy.lost == 1
    drain.run()
    oracle.check(events, stream, engine)
    assert (stream.books().recorded, stream.books().duplicate) == (100, 0)


def test_f13_acknowledging_again_after_a_lost_reply_counts_once(
    stream: EventStream, proxied_stream: EventStream, redis_proxy: Proxy
) -> None:
    stream.ensure_group()
    proxied_stream.acknowledge({Outcome.RECORDED: ["1-1"]})
    ids = stream.append(play_payloads(5))
    stream.read_new("a", count=9, block_ms=0)
    redis_proxy.lose_reply_to(proxied_stream._acknowledge.sha.encode())
    with pytest.raises(StreamUnavailableError):
        proxied_stream.acknowledge({Outcome.RECORDED: ids})
    assert proxied_stream.acknowledge({Outcome.RECORDED: ids}) == 0
    assert stream.books().recorded == 5


def test_f15_a_batch_with_an_unconfirmed_commit_is_stored_once(
    stream: EventStream, proxied_postgres: Engine, postgres_proxy: Proxy, postgres: Engine
) -> None:
    drain = Drain(stream, proxied_postgres, "a")
    known = [play_payload(f"song {number}") for number in range(10)]
    stream.append(known)
    drain.run()
    events = [*play_payloads(100), b"{"]
    stream.append(events)
    postgres_proxy.lose_reply_to(COMMIT)
    with pytest.raises(DatabaseUnavailableError):
        drain.run()
    assert postgres_proxy.lost == 1
    assert stream.books().pending == 101
    drain.run()
    oracle.check([*known, *events], stream, postgres)
    assert (stream.books().recorded, stream.books().duplicate, stream.books().dead) == (10, 100, 1)


def test_f15_users_and_songs_of_an_unconfirmed_commit_are_found(
    stream: EventStream, proxied_postgres: Engine, postgres_proxy: Proxy, postgres: Engine
) -> None:
    events = [*play_payloads(100), b"{"]
    stream.append(events)
    drain = Drain(stream, proxied_postgres, "a")
    postgres_proxy.lose_reply_to(COMMIT)
    with pytest.raises(DatabaseUnavailableError):
        drain.run()
    assert (postgres_proxy.lost, count(postgres, "songs"), count(postgres, "play_history")) == (1, 10, 0)
    drain.run()
    oracle.check(events, stream, postgres)
    assert (stream.books().recorded, stream.books().duplicate, stream.books().dead) == (100, 0, 1)


# Plays are copied. After one that was not new, those that are stored are looked for first. COPY has data of its own.
LOOKS_FOR_PLAYS = b"WITH ORDINALITY AS given"
WRITES_PLAYS = [b"COPY play_history", b"PGCOPY", LOOKS_FOR_PLAYS]


def writing_by(statement: bytes, drain: Drain) -> Drain:
    if statement == LOOKS_FOR_PLAYS:
        drain.known.plays.saw_duplicate()
    return drain


@pytest.mark.parametrize("statement", WRITES_PLAYS)
def test_f14_a_batch_cut_off_before_its_commit_is_stored_once(
    statement: bytes, stream: EventStream, proxied_postgres: Engine, postgres_proxy: Proxy, postgres: Engine
) -> None:
    events = [*play_payloads(100), b"{"]
    stream.append(events)
    drain = writing_by(statement, Drain(stream, proxied_postgres, "a"))
    postgres_proxy.lose_reply_to(statement)
    with pytest.raises(DatabaseUnavailableError):
        drain.run()
    assert postgres_proxy.lost == 1
    assert oracle.actual(postgres) == oracle.Tables()
    drain.run()
    oracle.check(events, stream, postgres)
    assert stream.books().duplicate == 0


# --- slow, reset, silent -------------------------------------------------------------------------


def test_f12_a_slow_redis_loses_nothing(
    stream: EventStream, proxied_stream: EventStream, redis_proxy: Proxy, engine: Engine
) -> None:
    events = Load(7).take(50)
    stream.append(events)
    redis_proxy.delay_s = 0.05
    Drain(proxied_stream, engine, "a").run()
    oracle.check(events, stream, engine)


CALLS: dict[str, Callable[[EventStream], object]] = {
    "append": lambda stream: stream.append(play_payloads(1)),
    "ensure_group": lambda stream: stream.ensure_group(),
    "read_pending": lambda stream: stream.read_pending("a", count=1),
    "read_new": lambda stream: stream.read_new("a", count=1, block_ms=200),
    "claim_abandoned": lambda stream: stream.claim_abandoned("a", count=1, idle_ms=0),
    "take_over": lambda stream: stream.take_over("a", dead="b", count=1),
    "acknowledge": lambda stream: stream.acknowledge({Outcome.RECORDED: ["1-1"]}),
    "forget_vanished": lambda stream: stream.forget_vanished(["1-1"]),
    "retire": lambda stream: stream.retire("a"),
    "books": lambda stream: stream.books(),
    "consumers": lambda stream: stream.consumers(),
    "now": lambda stream: stream.now(),
    "server": lambda stream: stream.server(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("fault", ["silent", "refuses"])
def test_f12_no_call_outlasts_its_timeout_on_a_broken_network(
    call: Callable[[EventStream], object], fault: str, proxied_stream: EventStream, redis_proxy: Proxy
) -> None:
    proxied_stream.ensure_group()  # The connection stands before the fault.
    setattr(redis_proxy, fault, True)
    began = time.monotonic()
    with pytest.raises(StreamUnavailableError):
        call(proxied_stream)
    assert time.monotonic() - began < SOON_S
    setattr(redis_proxy, fault, False)
    call(proxied_stream)


def test_f12_a_connection_to_a_silent_database_times_out(
    stream: EventStream, proxied_postgres: Engine, postgres_proxy: Proxy, postgres: Engine
) -> None:
    events = play_payloads(10)
    stream.append(events)
    postgres_proxy.silent = True
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailableError):
        Drain(stream, proxied_postgres, "a").run()
    assert time.monotonic() - began < SOON_S
    postgres_proxy.silent = False
    Drain(stream, proxied_postgres, "a").run()
    oracle.check(events, stream, postgres)


@pytest.mark.parametrize("statement", [*WRITES_PLAYS, pytest.param(COMMIT, id="COMMIT")])
def test_f12_a_database_that_falls_silent_mid_batch_times_out(
    statement: bytes, stream: EventStream, proxied_postgres: Engine, postgres_proxy: Proxy, postgres: Engine
) -> None:
    events = play_payloads(10)
    stream.append(events)
    drain = writing_by(statement, Drain(stream, proxied_postgres, "a"))
    postgres_proxy.fall_silent_at(statement)
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailableError, match="has not answered for"):
        drain.run()
    assert time.monotonic() - began < SOON_S
    postgres_proxy.silent = False
    drain.run()
    oracle.check(events, stream, postgres)


@pytest.mark.usefixtures("_impatient")
def test_f12_a_frozen_database_behind_a_unix_socket_times_out(postgres: Engine) -> None:
    assert postgres.url.query["host"]
    with (
        pytest.raises(DatabaseUnavailableError, match="has not answered for"),
        transaction(postgres) as session,
        frozen(session.scalar(text("SELECT pg_backend_pid()"))),
    ):
        session.scalar(text("SELECT 1"))


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.usefixtures("_impatient")
def test_a_migration_may_take_longer_than_any_statement(postgres: Engine) -> None:
    with transaction(without_statement_timeout(postgres)) as session:
        session.execute(text("SELECT pg_sleep(2)"))
    with pytest.raises(DatabaseUnavailableError, match="has not answered for"), transaction(postgres) as session:
        session.execute(text("SELECT pg_sleep(60)"))
