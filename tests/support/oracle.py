"""What the tables must hold, told from the accepted events alone, and the comparison with what they do hold."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Any

from sqlalchemy import Engine, func, select

from worker.contract.codec import decode
from worker.contract.events import FavoriteEvent, PlayEvent, PreferenceEvent
from worker.database.engine import snapshot
from worker.errors import InvalidEventError
from worker.models import DeadLetter, PlayHistory, Song, User
from worker.models import Favorite as FavoriteRow
from worker.models import Preference as PreferenceRow
from worker.stream.consumer import EventStream

PlayKey = tuple[str, str, datetime, datetime | None]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Tables:
    """The tables without what may differ between two right runs: surrogate keys, clocks, the order of arrival."""

    plays: Counter[PlayKey] = field(default_factory=Counter)
    favorites: dict[tuple[str, str], tuple[datetime, str, bool, datetime | None]] = field(default_factory=dict)
    preferences: dict[tuple[str, str], tuple[datetime, str, Any, datetime | None]] = field(default_factory=dict)
    dead: Counter[str] = field(default_factory=Counter)


def expected(payloads: Iterable[bytes], *, now: datetime | None = None, entry_ids: Iterable[str | None] = ()) -> Tables:
    """A model of zik in thirty lines: no stream, no database, no batches, no failures.

    Without the ids of their entries, in the same order, no `sent_at` corrects anything. A play that comes twice must
    come with the same skew, because here nobody knows which of them was recorded first.
    """
    tables = Tables()
    for payload, entry_id in zip(payloads, chain(entry_ids, repeat(None)), strict=False):
        try:
            event = decode(payload, now=now or datetime.now(UTC), entry_id=entry_id)
        except InvalidEventError as error:
            tables.dead[error.reason] += 1
            continue
        (at, reported_at), event_id = _times(payload, entry_id), event.id
        if entry_id and not isinstance(event, PlayEvent) and at > _received(entry_id):
            at, reported_at = _received(entry_id), reported_at or at
        match event:
            case PlayEvent():
                tables.plays[event.user, event.song.identity, at, reported_at] = 1
            case FavoriteEvent():
                favorite = (event.user, event.song.identity)
                word = (at, event_id, event.favorite, reported_at)
                tables.favorites[favorite] = max(word, tables.favorites.get(favorite, word), key=_rank)
            case PreferenceEvent():
                preference = (event.user, event.key)
                said = (at, event_id, event.value, reported_at)
                tables.preferences[preference] = max(said, tables.preferences.get(preference, said), key=_rank)
    return tables


def _times(payload: bytes, entry_id: str | None) -> tuple[datetime, datetime | None]:
    """When the event was, and what was told where that is wrong. For an id that Redis itself has made."""
    fields = json.loads(payload)
    reported_at = datetime.fromisoformat(fields["time"].upper()).astimezone(UTC)
    if entry_id is None or not fields.get("sent_at"):
        return reported_at, None
    skew = _received(entry_id) - datetime.fromisoformat(fields["sent_at"].upper())
    return (reported_at + skew, reported_at) if abs(skew.total_seconds()) > 60 else (reported_at, None)


def _received(entry_id: str) -> datetime:
    return _EPOCH + timedelta(milliseconds=int(entry_id.split("-", maxsplit=1)[0]))


def _rank(word: tuple[datetime, str, Any, datetime | None]) -> tuple[datetime, datetime, str]:
    at, event_id, _, reported_at = word
    return at, max(at, reported_at or at), event_id


def actual(engine: Engine) -> Tables:
    """What the database holds."""
    with snapshot(engine) as session:
        plays = session.execute(
            select(User.username, Song.identity, PlayHistory.played_at, PlayHistory.reported_at)
            .join(User, User.id == PlayHistory.user_id)
            .join(Song, Song.id == PlayHistory.song_id)
        )
        favorites = session.execute(
            select(
                User.username,
                Song.identity,
                FavoriteRow.said_at,
                FavoriteRow.event_id,
                FavoriteRow.is_favorite,
                FavoriteRow.reported_at,
            )
            .join(User, User.id == FavoriteRow.user_id)
            .join(Song, Song.id == FavoriteRow.song_id)
        )
        preferences = session.execute(
            select(
                User.username,
                PreferenceRow.key,
                PreferenceRow.said_at,
                PreferenceRow.event_id,
                PreferenceRow.value,
                PreferenceRow.reported_at,
            ).join(User, User.id == PreferenceRow.user_id)
        )
        dead = session.execute(select(DeadLetter.reason, func.count()).group_by(DeadLetter.reason))
        return Tables(
            Counter((user, identity.hex, at, reported_at) for user, identity, at, reported_at in plays),
            {
                (user, song.hex): (at, str(word), said, reported_at)
                for user, song, at, word, said, reported_at in favorites
            },
            {(user, key): (at, str(word), said, reported_at) for user, key, at, word, said, reported_at in preferences},
            Counter(dict(dead.all())),
        )


def check(payloads: list[bytes], stream: EventStream, engine: Engine, *, entry_ids: Iterable[str] = ()) -> None:
    """Fail unless every accepted event is recorded once, recognised as a duplicate, or kept with its reason.

    Call it when the stream is dry.
    """
    wanted, found = expected(payloads, entry_ids=entry_ids), actual(engine)
    assert found.plays == wanted.plays
    assert found.favorites == wanted.favorites
    assert found.preferences == wanted.preferences
    assert found.dead == wanted.dead
    books = stream.books()
    assert books.received == len(payloads)
    assert books.dead == wanted.dead.total()
    assert (books.waiting, books.pending, books.unaccounted) == (0, 0, 0)
