"""Rows that an application saves with the models: counted by statistics, named by their key, found by relationship."""

import asyncio
import importlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, insert, select
from sqlalchemy.orm import Session, scoped_session, selectinload, sessionmaker

from tests.support.events import CANARY, event, favorite, play, preference, song
from tests.support.fleet import assert_statistics
from tests.support.processes import url_of
from tests.support.rollup_rows import RULE, record
from worker.contract.events import PlayEvent
from worker.database.engine import snapshot, transaction
from worker.models import Base, Favorite, PlayHistory, Preference, Song, StaleDay, User
from worker.statistics import GlobalListening, Period, UserListening, span, totals
from worker.statistics.rollups.sweep import refresh
from worker.statistics.verify import verify

AT = datetime(2021, 4, 22, 5, 40, 53, tzinfo=UTC)
EVER = span(Period.ALL, AT.date())


def listens(engine: Engine) -> list[int]:
    """The listens of the only user, and of everyone."""
    with snapshot(engine) as session:
        connection = session.connection()
        user_id = session.scalars(select(User.id)).one()
        return [
            totals(listening, EVER).listens
            for listening in (UserListening(connection, user_id, RULE), GlobalListening(connection, RULE))
        ]


def saved(engine: Engine, **changes: Any) -> None:
    with transaction(engine) as session:
        user = User(username="ada").save(session)
        tool = Song(artist="Tool", title="Parabola", album="Lateralus").save(session)
        PlayHistory(**{"user": user, "song": tool, "played_at": AT} | changes).save(session)


@pytest.mark.parametrize("swept", [False, True], ids=["waiting", "swept"])
@pytest.mark.parametrize("offset", [None, 330, -660])
def test_a_saved_play_is_in_the_statistics(
    engine: Engine,
    swept: bool,  # noqa: FBT001 -- a parameter of the test
    offset: int | None,
) -> None:
    saved(engine, utc_offset_minutes=offset)
    if swept:
        refresh(engine, RULE)
    assert listens(engine) == [1, 1]
    assert verify(engine, RULE).exact
    assert_statistics(engine)


def test_a_play_saved_on_a_computed_day_is_counted(engine: Engine) -> None:
    record(engine, play(song=song(album="Lateralus")))
    refresh(engine, RULE)
    with transaction(engine) as session:
        user, tool = session.scalars(select(User)).one(), session.scalars(select(Song)).one()
        session.add(PlayHistory(user=user, song=tool, played_at=AT.astimezone() + timedelta(minutes=5)))
    assert listens(engine) == [2, 2]
    refresh(engine, RULE)
    assert listens(engine) == [2, 2]
    assert_statistics(engine)


def test_a_saved_play_that_is_rolled_back_marks_nothing(engine: Engine) -> None:
    with transaction(engine) as session:
        user, tool = User(username="ada").save(session), Song(artist="a", title="b").save(session)
        PlayHistory(user=user, song=tool, played_at=AT).save(session)
        assert session.scalars(select(StaleDay)).all()
        session.rollback()
    with snapshot(engine) as session:
        assert session.scalars(select(StaleDay)).all() == []


# --- Defaults ---------------------------------------------------------------------------------------


def test_a_new_song_is_the_one_that_events_mean(engine: Engine) -> None:
    meant = event(play(song={"title": "PARABOLA ", "artist": "tool"}))
    assert isinstance(meant, PlayEvent)
    saved(engine)
    named = Song.named("Tool", "Parabola", album="Lateralus")
    with transaction(engine) as session:
        row = session.scalars(select(Song)).one()
        assert row.identity == named.identity == UUID(meant.song.identity)
        assert (row.artist_identity, row.album_identity) == (named.artist_identity, named.album_identity)
        session.execute(insert(Song), [{"artist": "Tool", "title": "Schism"}])
        schism = session.scalars(select(Song).where(Song.title == "Schism")).one()
        assert (schism.identity, schism.album_identity) == (Song.named("tool", "SCHISM").identity, None)


def test_ids_are_uuid_version_7_in_the_order_of_insertion(engine: Engine) -> None:
    with transaction(engine) as session:
        user, tool = User(username="ada").save(session), Song(artist="a", title="b").save(session)
        plays = [PlayHistory(user=user, song=tool, played_at=AT + timedelta(days=n)).save(session) for n in range(3)]
        liked = Favorite(user=user, song=tool, said_at=AT, is_favorite=True).save(session)
        mood = Preference(user=user, key="mood", said_at=AT, value="calm").save(session)
        ids = [*(row.id for row in plays), liked.event_id, mood.event_id]
    assert {each.version for each in ids} == {7}
    assert ids == sorted(ids)


# --- What a row shows and refers to -----------------------------------------------------------------


def test_a_repr_shows_the_key_and_nothing_that_anyone_listens_to() -> None:
    rows: list[Base] = [
        User(id=7, username=CANARY, email=CANARY),
        Song(id=7, artist=CANARY, title=CANARY),
        PlayHistory(id=UUID(int=7), user_id=7, source=CANARY),
        Preference(user_id=7, key="mood", value=CANARY),
        PlayHistory(),
    ]
    assert [repr(row) for row in rows] == [
        "User(id=7)",
        "Song(id=7)",
        "PlayHistory(id=00000000-0000-0000-0000-000000000007, user_id=7)",
        "Preference(user_id=7, key=mood)",
        "PlayHistory(id=None, user_id=None)",
    ]


def test_the_repr_of_an_expired_row_loads_nothing(engine: Engine) -> None:
    with transaction(engine) as session:
        user = User(username="ada").save(session)
        session.expire(user)
        session.close()
        assert repr(user).startswith("User(id=")


def test_users_and_songs_have_their_rows(engine: Engine) -> None:
    record(engine, play(), play(time="2021-04-23T05:40:53Z"), favorite(), preference(), play(user="bob"))
    owned = [selectinload(each) for each in (User.plays, User.favorites, User.preferences)]
    with snapshot(engine) as session:
        ada = session.scalars(select(User).where(User.username == "ada").options(*owned)).one()
        assert [len(rows) for rows in (ada.plays, ada.favorites, ada.preferences)] == [2, 1, 1]
        tool = session.scalars(select(Song).options(selectinload(Song.plays), selectinload(Song.favorites))).one()
        assert (len(tool.plays), len(tool.favorites)) == (3, 1)
    with snapshot(engine) as session, pytest.raises(Exception, match="raise_on_sql"):
        _ = session.scalars(select(User)).first().plays  # type: ignore[union-attr] # There is one.


def test_deleting_a_user_or_a_song_deletes_the_rows_loaded_with_it(engine: Engine) -> None:
    for entity in (User, Song):
        record(engine, play(), favorite())
        with transaction(engine) as session:
            both = [selectinload(entity.plays), selectinload(entity.favorites)]
            session.delete(session.scalars(select(entity).options(*both)).one())
        with snapshot(engine) as session:
            assert [*session.scalars(select(PlayHistory.id)), *session.scalars(select(Favorite.song_id))] == []
        with transaction(engine) as session:
            for row in [*session.scalars(select(User)), *session.scalars(select(Song))]:
                session.delete(row)


# --- Sessions ----------------------------------------------------------------------------------------


class AsyncSession:
    """As SQLAlchemy's: a coroutine's name, and a flush() that does nothing until it is awaited."""

    def add(self, row: object) -> None: ...
    async def flush(self) -> None: ...


def test_save_refuses_an_async_session_and_says_how() -> None:
    with pytest.raises(TypeError, match=r"not AsyncSession; .* `await session\.run_sync\(row\.save\)`"):
        User(username="ada").save(AsyncSession())  # type: ignore[arg-type] # The fault.


def test_save_within_an_async_session(postgres: Engine) -> None:
    pytest.importorskip("greenlet")
    asyncio_of_sqlalchemy = importlib.import_module("sqlalchemy.ext.asyncio")

    async def saved_by(name: str) -> None:
        engine = asyncio_of_sqlalchemy.create_async_engine(
            url_of(postgres).replace("postgresql:", "postgresql+psycopg:")
        )
        async with asyncio_of_sqlalchemy.AsyncSession(engine) as session:
            with pytest.raises(TypeError, match="run_sync"):
                User(username=name).save(session)
            await session.run_sync(User(username=name).save)
            await session.commit()
        await engine.dispose()

    asyncio.run(saved_by("ada"))
    with snapshot(postgres) as session:
        assert session.scalars(select(User.username)).all() == ["ada"]


def test_save_takes_a_scoped_session(engine: Engine) -> None:
    session: scoped_session[Session] = scoped_session(sessionmaker(engine))
    assert User(username="ada").save(session).id
    session.remove()
