"""Every recorder keeps three promises: replaying, reordering and splitting a batch give the same rows."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.orm import Session

from tests.support.events import Fields, received
from tests.support.strategies import (
    ON_DATABASE,
    favorites,
    many_users,
    plays,
    preferences,
    skewed,
    skewed_plays,
    skewed_words,
    stored,
    undone,
)
from worker import models
from worker.books import Outcome
from worker.contract.events import Accepted, Event, FavoriteEvent, PlayEvent, PreferenceEvent
from worker.contract.identity import canonical_title
from worker.models import Base, PlayHistory, Song, User
from worker.recorders.batch import record_batch
from worker.recorders.known import Known

KINDS: dict[str, st.SearchStrategy[Fields]] = {
    "plays": plays(),
    "favorites": favorites(),
    "preferences": preferences(),
    "users": many_users,
    "songs": plays(users=("ada",)) | favorites(),
    "skewed plays": skewed_plays(),
    "skewed words": skewed_words(),
    # Not with the others: one play told by a right and by a wrong clock keeps the words of whichever came first.
    "all": skewed,
}
every_recorder = pytest.mark.parametrize("kind", KINDS)


def drawn_batch(data: st.DataObject, kind: str) -> list[Accepted]:
    return received(*data.draw(st.lists(KINDS[kind], min_size=1, max_size=10)))


def record(connection: Connection, batch: Sequence[Accepted], known: Known) -> dict[str, Outcome]:
    recorded = record_batch(connection, batch, known=known)
    known.remember(recorded)
    return recorded.outcomes


def pieces(data: st.DataObject, batch: Sequence[Accepted]) -> list[Sequence[Accepted]]:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(batch)))) | {0, len(batch)})
    return [batch[start:end] for start, end in pairwise(cuts)]


def all_columns(connection: Connection) -> dict[str, list[str]]:
    """Every column of every row, keys and clocks included."""
    return {
        table: sorted(map(str, connection.execute(text(f"SELECT * FROM {table}")))) for table in Base.metadata.tables
    }


@every_recorder
@ON_DATABASE
@given(data=st.data(), forgetful=st.booleans())
def test_replaying_a_batch_changes_nothing(engine: Engine, kind: str, data: st.DataObject, forgetful: bool) -> None:  # noqa: FBT001 -- drawn
    batch, known = drawn_batch(data, kind), Known()
    with undone(engine) as connection:
        record(connection, batch, known)
        before = all_columns(connection)
        again = record(connection, batch, Known() if forgetful else known)
        assert all_columns(connection) == before
    assert again == {entry.entry_id: Outcome.DUPLICATE for entry in batch}


@every_recorder
@ON_DATABASE
@given(data=st.data())
def test_order_within_a_batch_does_not_matter(engine: Engine, kind: str, data: st.DataObject) -> None:
    batch = drawn_batch(data, kind)
    with undone(engine) as connection:
        outcomes = record(connection, batch, Known())
        rows = stored(connection)
    with undone(engine) as connection:
        other = record(connection, data.draw(st.permutations(batch)), Known())
        assert stored(connection) == rows
    assert Counter(other.values()) == Counter(outcomes.values())
    assert outcomes.keys() == other.keys() == {entry.entry_id for entry in batch}


@every_recorder
@ON_DATABASE
@given(data=st.data())
def test_splitting_a_batch_anywhere_gives_the_same_rows(engine: Engine, kind: str, data: st.DataObject) -> None:
    batch = drawn_batch(data, kind)
    with undone(engine) as connection:
        record(connection, batch, Known())
        rows = stored(connection)
    with undone(engine) as connection:
        known = Known()
        for piece in pieces(data, batch):
            record(connection, piece, known)
        assert stored(connection) == rows


# --- The oracle ---------------------------------------------------------------------------------


def song_of(told: PlayEvent | FavoriteEvent) -> tuple[str, str]:
    return canonical_title(told.song.artist), canonical_title(told.song.title)


def expected(told: Sequence[Event]) -> dict[str, set[Any]]:
    """What the tables must hold, in a few lines of Python that know nothing of SQL."""
    newest_first = sorted(told, key=lambda said: (said.time.at, said.id), reverse=True)
    words: dict[Any, Any] = {}
    for said in newest_first:
        if isinstance(said, FavoriteEvent):
            words.setdefault((said.user, song_of(said)), said.favorite)
        if isinstance(said, PreferenceEvent):
            words.setdefault((said.user, said.key), str(said.value))
    return {
        "users": {said.user for said in told},
        "songs": {song_of(said) for said in told if not isinstance(said, PreferenceEvent)},
        "plays": {(said.user, said.time.at, song_of(said)) for said in told if isinstance(said, PlayEvent)},
        "words": set(words.items()),
    }


def found(connection: Connection) -> dict[str, set[Any]]:
    session = Session(connection)
    songs = {
        song.id: (canonical_title(song.artist), canonical_title(song.title)) for song in session.scalars(select(Song))
    }
    users = {user.id: user.username for user in session.scalars(select(User))}
    plays = [(users[row.user_id], row.played_at, songs[row.song_id]) for row in session.scalars(select(PlayHistory))]
    favorites = session.scalars(select(models.Favorite))
    preferences = session.scalars(select(models.Preference))
    assert len(set(plays)) == len(plays)
    return {
        "users": set(users.values()),
        "songs": set(songs.values()),
        "plays": set(plays),
        "words": {((users[row.user_id], songs[row.song_id]), row.is_favorite) for row in favorites}
        | {((users[row.user_id], row.key), str(row.value)) for row in preferences},
    }


@ON_DATABASE
@given(data=st.data())
def test_the_tables_equal_those_of_a_small_model(engine: Engine, data: st.DataObject) -> None:
    batch = drawn_batch(data, "all")
    with undone(engine) as connection:
        known, outcomes = Known(), Counter[Outcome]()
        for piece in pieces(data, data.draw(st.permutations(batch))):
            outcomes.update(record(connection, piece, known).values())
        assert found(connection) == expected([entry.event for entry in batch])
    assert outcomes.total() == len(batch)
