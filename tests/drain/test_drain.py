import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
import redis
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

from tests.support.events import play_payload, play_payloads
from tests.support.processes import count
from worker.books import Outcome
from worker.contract.events import MAX_EVENT_BYTES, SongRef
from worker.database.engine import open_engine, snapshot, transaction
from worker.database.schema import bring_up_schema
from worker.drain.drain import Drain
from worker.errors import DatabaseMisusedError, DatabaseUnavailableError, StreamUnavailableError
from worker.operations.dead_letters import count_by_reason, find
from worker.recorders.batch import record_batch
from worker.recorders.known import Known, Place
from worker.settings import load_settings
from worker.stream.consumer import EventStream
from worker.stream.keys import STREAM


def test_one_bad_event_among_a_thousand_stops_none_of_the_others(stream: EventStream, engine: Engine) -> None:
    stream.append([*play_payloads(500), b"{", *play_payloads(499, start=500)])
    tally = Drain(stream, engine, "a").run()
    assert tally.outcomes == {Outcome.RECORDED: 999, Outcome.DEAD: 1}
    assert count(engine, "play_history") == 999
    assert count_by_reason(engine) == {"invalid_json": 1}
    books = stream.books()
    assert (books.recorded, books.dead, books.waiting, books.balanced) == (999, 1, 0, True)


def test_a_batch_of_good_and_bad_events_is_one_transaction(stream: EventStream, engine: Engine) -> None:
    drain = Drain(stream, engine, "a")
    stream.append(play_payloads(50))
    drain.run()
    stream.append([*play_payloads(50, source="another player"), b"{"])
    with counted(engine, "commit") as commits:
        drain.run()
    assert len(commits) == 1


def test_new_users_and_songs_are_committed_before_the_plays(stream: EventStream, postgres: Engine) -> None:
    seen = []

    def looking(*arguments: Any, **options: Any) -> Any:
        seen.append({table: count(postgres, table) for table in ("app_users", "songs", "play_history")})
        return record_batch(*arguments, **options)

    stream.append([play_payload(), play_payload("another", user="bob")])
    Drain(stream, postgres, "a", record=looking).run()
    assert seen == [{"app_users": 2, "songs": 2, "play_history": 0}]


def test_a_batch_is_looked_up_once_and_what_is_new_twice(stream: EventStream, postgres: Engine) -> None:
    looked_up: list[str] = []

    class Watched(Known):
        def place(self, song: SongRef) -> Place | None:
            looked_up.append(song.title)
            return super().place(song)

    drain = Drain(stream, postgres, "a", known=Watched())
    stream.append([play_payload("known")])
    drain.run()
    looked_up.clear()
    stream.append([play_payload("known", time="2021-04-23T05:40:53Z"), play_payload("new")])
    drain.run()
    assert looked_up == ["known", "new", "new"]


def test_a_song_deleted_twice_during_a_batch_loses_no_play(stream: EventStream, postgres: Engine) -> None:
    """As when several people are forgotten in a row. On SQLite nobody gets in between."""
    attempts = 0

    def late(*arguments: Any, **options: Any) -> Any:
        nonlocal attempts
        attempts += 1
        if attempts <= 2:
            with transaction(postgres) as session:
                session.execute(text("DELETE FROM songs"))
        return record_batch(*arguments, **options)

    stream.append([play_payload(), play_payload("another"), play_payload("a third one")])
    assert Drain(stream, postgres, "a", record=late).run().outcomes == {Outcome.RECORDED: 3}


def test_the_song_of_a_refused_user_is_not_created(stream: EventStream, engine: Engine) -> None:
    stream.append([play_payload()])
    Drain(stream, engine, "a", create_users=False).run()
    assert (count(engine, "songs"), count(engine, "app_users")) == (0, 0)
    assert count_by_reason(engine) == {"unknown_user": 1}


def test_a_batch_of_only_bad_events_is_buried_in_one_transaction(stream: EventStream, engine: Engine) -> None:
    stream.append([b"", b"[]", b"\xff", b'{"type":"yodel"}', b"nonsense"] * 40)
    with counted(engine, "commit") as commits:
        tally = Drain(stream, engine, "a").run()
    assert len(commits) == 1
    assert tally.outcomes == {Outcome.DEAD: 200}
    assert count_by_reason(engine) == {"bad_encoding": 40, "invalid_json": 80, "unknown_type": 40, "wrong_type": 40}
    assert stream.books().balanced


def test_a_dead_letter_keeps_the_payload_and_names_its_entry(stream: EventStream, engine: Engine) -> None:
    (entry_id,) = stream.append([b"\xffnot text"])
    Drain(stream, engine, "a").run()
    (letter,) = find(engine)
    assert (letter.entry_id, letter.payload, letter.attempts) == (entry_id, b"\xffnot text", 1)
    assert (letter.reason, letter.detail) == ("bad_encoding", "not UTF-8 at byte 0")


def test_an_entry_without_an_event_is_buried_with_its_fields(
    stream: EventStream, valkey: "redis.Redis", engine: Engine
) -> None:
    valkey.xadd(STREAM, {b"\xff": b"\x80\x00"})
    stream.append([play_payload()])
    Drain(stream, engine, "a").run()
    (letter,) = find(engine)
    assert (letter.reason, letter.payload) == ("missing_event", b'{"\\\\xff": "\\\\x80\\u0000"}')
    assert count(engine, "play_history") == 1


def test_an_oversized_event_is_buried_cut_off_with_its_digest(stream: EventStream, engine: Engine) -> None:
    payload = play_payload("x" * 1_000_000)
    stream.append([payload, play_payload()])
    Drain(stream, engine, "a").run()
    (letter,) = find(engine)
    assert letter.reason == "too_large"
    assert letter.payload == payload[:MAX_EVENT_BYTES]
    assert f"{len(payload)} bytes" in letter.detail
    assert hashlib.sha256(payload).hexdigest() in letter.detail
    assert count(engine, "play_history") == 1


def test_unknown_users_are_refused_without_create_users(stream: EventStream, engine: Engine) -> None:
    stream.append([play_payload(user="ada")])
    Drain(stream, engine, "a").run()
    stream.append([play_payload("other", user="ada"), play_payload(user="stranger")])
    tally = Drain(stream, engine, "a", create_users=False).run()
    assert tally.outcomes == {Outcome.RECORDED: 1, Outcome.DEAD: 1}
    assert count_by_reason(engine) == {"unknown_user": 1}
    assert count(engine, "app_users") == 1


def test_the_same_event_again_is_a_duplicate_and_changes_no_row(stream: EventStream, engine: Engine) -> None:
    stream.append(play_payloads(10) + play_payloads(10))
    Drain(stream, engine, "a", batch_size=15).run()
    stream.append(play_payloads(10))
    Drain(stream, engine, "b").run()
    assert count(engine, "play_history") == 10
    books = stream.books()
    assert (books.recorded, books.duplicate, books.balanced) == (10, 20, True)


def test_an_entry_that_vanished_while_pending_is_unaccounted(
    stream: EventStream, valkey: "redis.Redis", engine: Engine
) -> None:
    stream.ensure_group()
    gone, *_ = stream.append(play_payloads(3))
    stream.read_new("a", count=9, block_ms=0)
    valkey.xdel(STREAM, gone)
    Drain(stream, engine, "a").run()
    books = stream.books()
    assert (books.recorded, books.dead, books.pending, books.unaccounted) == (2, 0, 0, 1)
    assert count(engine, "dead_letters") == 0


# --- crashes and outages: nothing is lost, nothing buried, nothing counted twice -----------------


def test_an_uncommitted_batch_is_not_acknowledged(stream: EventStream, engine: Engine) -> None:
    stream.append([*play_payloads(5), b"{"])
    with pytest.raises(DatabaseUnavailableError):
        Drain(stream, engine, "a", transaction=failing_to_commit).run()
    books = stream.books()
    assert (books.waiting, books.pending, books.recorded, books.dead) == (6, 6, 0, 0)
    assert count(engine, "play_history") == count(engine, "dead_letters") == count(engine, "app_users") == 0
    tally = Drain(stream, engine, "a").run()
    assert tally.outcomes == {Outcome.RECORDED: 5, Outcome.DEAD: 1}


def test_a_rolled_back_transaction_leaves_nothing_in_the_cache(stream: EventStream, engine: Engine) -> None:
    stream.append(play_payloads(5))
    known = Known()
    with pytest.raises(DatabaseUnavailableError):
        Drain(stream, engine, "a", known=known, transaction=failing_to_commit).run()
    with counted(engine, "rollback") as rollbacks:
        Drain(stream, engine, "a", known=known).run()
    assert not rollbacks
    assert count(engine, "play_history") == 5


def test_a_crash_before_the_acknowledgement_doubles_nothing(
    stream: EventStream, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.append([*play_payloads(5), b"{"])
    with monkeypatch.context() as patch:
        patch.setattr(stream, "acknowledge", losing_redis)
        with pytest.raises(StreamUnavailableError):
            Drain(stream, engine, "a").run()
    assert count(engine, "play_history") == 5
    assert stream.books().pending == 6
    Drain(stream, engine, "a").run()
    assert (count(engine, "play_history"), count(engine, "dead_letters")) == (5, 1)
    books = stream.books()
    assert (books.recorded + books.duplicate, books.dead, books.waiting, books.balanced) == (5, 1, 0, True)


def test_a_dead_letter_is_not_kept_when_its_batch_is_rolled_back(stream: EventStream, engine: Engine) -> None:
    """Kept in a transaction of its own, it would stand while its entry is still waiting."""
    stream.append([b"{", *play_payloads(5), b"{"])

    def losing_database(*arguments: Any, **options: Any) -> NoReturn:
        record_batch(*arguments, **options)
        raise DatabaseUnavailableError("away")

    with pytest.raises(DatabaseUnavailableError):
        Drain(stream, engine, "a", record=losing_database).run()
    assert count(engine, "dead_letters") == 0
    assert stream.books().pending == 7


def test_an_unreachable_database_buries_nothing(stream: EventStream, engine: Engine) -> None:
    nowhere = open_engine("postgresql+psycopg://zik:geheim@127.0.0.1:1/zik")
    stream.append([*play_payloads(5), b"{"])
    with pytest.raises(DatabaseUnavailableError) as caught:
        Drain(stream, nowhere, "a").run()
    assert "geheim" not in str(caught.value)
    assert stream.books().pending == 6
    Drain(stream, engine, "a").run()
    assert (count(engine, "play_history"), stream.books().waiting, stream.books().balanced) == (5, 0, True)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_without_a_schema_every_entry_is_kept_until_there_is_one(
    stream: EventStream, request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    url = request.getfixturevalue("empty_postgres_url") if kind == "postgres" else f"sqlite:///{tmp_path}/new.db"
    bare = open_engine(load_settings(database_url=url).database_url)
    stream.append([*play_payloads(5), b"{"])
    drain = Drain(stream, bare, "a")
    with pytest.raises(DatabaseMisusedError, match="zik init"):
        drain.run()
    assert stream.books().pending == 6
    bring_up_schema(bare)
    drain.run()
    assert (count(bare, "play_history"), count(bare, "dead_letters"), stream.books().waiting) == (5, 1, 0)
    bare.dispose()


def test_behind_a_lock_the_drain_gives_up_and_keeps_every_entry(
    stream: EventStream, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.database.engine.LOCK_TIMEOUT_MS", 100)
    hurried = open_engine(engine.url.render_as_string(hide_password=False))
    stream.append([*play_payloads(5), b"{"])
    drain = Drain(stream, hurried, "a")
    with transaction(engine) as session:
        if engine.dialect.name == "postgresql":
            session.execute(text("LOCK TABLE play_history"))
        session.execute(text("DELETE FROM dead_letters"))
        with pytest.raises(DatabaseUnavailableError):
            drain.run()
    assert stream.books().pending == 6
    drain.run()
    assert (count(engine, "play_history"), stream.books().waiting) == (5, 0)
    hurried.dispose()


def test_a_read_only_standby_buries_nothing(stream: EventStream, postgres: Engine) -> None:
    url = postgres.url.update_query_dict({"options": "-c default_transaction_read_only=on"})
    standby = open_engine(url.render_as_string(hide_password=False))
    stream.append([*play_payloads(5), b"{"])
    with pytest.raises(DatabaseUnavailableError, match="25006"):
        Drain(stream, standby, "a").run()
    assert stream.books().pending == 6
    standby.dispose()


# --- what the process remembers, and what somebody deleted ---------------------------------------


@pytest.mark.parametrize("table", ["app_users", "songs"])
def test_cached_rows_that_were_deleted_are_created_again(stream: EventStream, engine: Engine, table: str) -> None:
    drain = Drain(stream, engine, "a")
    stream.append([play_payload()])
    drain.run()
    with transaction(engine) as session:
        session.execute(text(f"DELETE FROM {table}"))
    stream.append([play_payload(time="2021-04-23T05:40:53Z"), play_payload("other")])
    tally = drain.run()
    assert tally.outcomes == {Outcome.RECORDED: 2}
    assert count(engine, "play_history") == 2


def test_a_deleted_users_play_never_goes_to_the_next_user(stream: EventStream, engine: Engine) -> None:
    """A database that gave the deleted user's number to somebody else would deceive the memory of a process."""
    drain = Drain(stream, engine, "a")
    stream.append([play_payload(user="ada")])
    drain.run()
    with transaction(engine) as session:
        session.execute(text("DELETE FROM app_users"))
    stream.append([play_payload(user="bob")])
    Drain(stream, engine, "b").run()
    stream.append([play_payload(user="ada", time="2021-04-23T05:40:53Z")])
    drain.run()
    with snapshot(engine) as session:
        rows = session.execute(
            text("SELECT username, count(*) FROM play_history JOIN app_users ON user_id = app_users.id GROUP BY 1")
        )
        assert {(name, number) for name, number in rows} == {("ada", 1), ("bob", 1)}


def test_a_deleted_songs_play_never_goes_to_the_next_song(stream: EventStream, engine: Engine) -> None:
    drain = Drain(stream, engine, "a")
    stream.append([play_payload("Schism")])
    drain.run()
    with transaction(engine) as session:
        session.execute(text("DELETE FROM songs"))
    stream.append([play_payload("Lateralus")])
    Drain(stream, engine, "b").run()
    stream.append([play_payload("Schism", time="2021-04-23T05:40:53Z")])
    drain.run()
    with snapshot(engine) as session:
        titles = session.scalars(text("SELECT title FROM play_history JOIN songs ON song_id = songs.id ORDER BY 1"))
        assert titles.all() == ["Lateralus", "Schism"]


@contextmanager
def counted(engine: Engine, happening: str) -> Iterator[list[None]]:
    """How often the engine does it, while the block runs."""
    times: list[None] = []
    listener: Callable[[object], None] = lambda _: times.append(None)  # noqa: E731 -- typed
    event.listen(engine, happening, listener)
    try:
        yield times
    finally:
        event.remove(engine, happening, listener)


@contextmanager
def failing_to_commit(engine: Engine) -> Iterator[Session]:
    with transaction(engine) as session:
        yield session
        raise DatabaseUnavailableError("the connection broke before COMMIT")


def losing_redis(*_: object) -> int:
    raise StreamUnavailableError("the connection broke before the acknowledgement")
