"""What the tables must hold, told from the accepted events alone, and the comparison with what they do hold."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, func, select

from worker.codec import decode
from worker.database import snapshot
from worker.errors import InvalidEventError
from worker.events import Favorite, Play, Preference
from worker.models import DeadLetter, PlayHistory, Song, User
from worker.models import Favorite as FavoriteRow
from worker.models import Preference as PreferenceRow
from worker.stream import EventStream

PlayKey = tuple[str, str, datetime]


@dataclass
class Tables:
    """The tables without what may differ between two right runs: surrogate keys, clocks, the order of arrival."""

    plays: Counter[PlayKey] = field(default_factory=Counter)
    favorites: dict[tuple[str, str], tuple[datetime, str, bool]] = field(default_factory=dict)
    preferences: dict[tuple[str, str], tuple[datetime, str, Any]] = field(default_factory=dict)
    dead: Counter[str] = field(default_factory=Counter)


def expected(payloads: Iterable[bytes], *, now: datetime | None = None) -> Tables:
    """A model of zik in thirty lines: no stream, no database, no batches, no failures."""
    tables = Tables()
    for payload in payloads:
        try:
            event = decode(payload, now=now or datetime.now(UTC))
        except InvalidEventError as error:
            tables.dead[error.reason] += 1
            continue
        at, event_id = event.time.at, event.id
        match event:
            case Play():
                tables.plays[event.user, event.song.identity, at] = 1
            case Favorite():
                favorite = (event.user, event.song.identity)
                word = (at, event_id, event.favorite)
                tables.favorites[favorite] = max(word, tables.favorites.get(favorite, word), key=_rank)
            case Preference():
                preference = (event.user, event.key)
                said = (at, event_id, event.value)
                tables.preferences[preference] = max(said, tables.preferences.get(preference, said), key=_rank)
    return tables


def _rank(word: tuple[datetime, str, Any]) -> tuple[datetime, str]:
    return word[0], word[1]


def actual(engine: Engine) -> Tables:
    """What the database holds."""
    with snapshot(engine) as session:
        plays = session.execute(
            select(User.username, Song.identity, PlayHistory.played_at)
            .join(User, User.id == PlayHistory.user_id)
            .join(Song, Song.id == PlayHistory.song_id)
        )
        favorites = session.execute(
            select(User.username, Song.identity, FavoriteRow.said_at, FavoriteRow.event_id, FavoriteRow.is_favorite)
            .join(User, User.id == FavoriteRow.user_id)
            .join(Song, Song.id == FavoriteRow.song_id)
        )
        preferences = session.execute(
            select(
                User.username, PreferenceRow.key, PreferenceRow.said_at, PreferenceRow.event_id, PreferenceRow.value
            ).join(User, User.id == PreferenceRow.user_id)
        )
        dead = session.execute(select(DeadLetter.reason, func.count()).group_by(DeadLetter.reason))
        return Tables(
            Counter((user, identity.hex, at) for user, identity, at in plays),
            {(user, identity.hex): (at, str(word), said) for user, identity, at, word, said in favorites},
            {(user, key): (at, str(word), said) for user, key, at, word, said in preferences},
            Counter(dict(dead.all())),
        )


def check(payloads: list[bytes], stream: EventStream, engine: Engine) -> None:
    """Fail unless every accepted event is recorded once, recognised as a duplicate, or kept with its reason.

    Call it when the stream is dry.
    """
    wanted, found = expected(payloads), actual(engine)
    assert found.plays == wanted.plays
    assert found.favorites == wanted.favorites
    assert found.preferences == wanted.preferences
    assert found.dead == wanted.dead
    books = stream.books()
    assert books.received == len(payloads)
    assert books.dead == wanted.dead.total()
    assert (books.waiting, books.pending, books.unaccounted) == (0, 0, 0)
