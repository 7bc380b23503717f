"""All that is known of a user, as events that can be published again."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from sqlalchemy import Connection, select

from worker.codec import encode
from worker.events import MAX_EVENT_BYTES
from worker.models import Favorite, PlayHistory, Preference, Song, User

_AT_ONCE: Final = 1_000
_MOST_IDS: Final = 16


def export(connection: Connection, user_id: int) -> Iterator[bytes]:
    """The user's preferences, favorites and plays as one event a line, oldest first of each kind.

    Publishing them again changes nothing, and after `zik forget` brings all of it back: ids, offsets, tombstones. Two
    things are told that events have no field for, and that readers pass over: the user's record (`listener`), in the
    first line, and what a device with a wrong clock told (`told_at`) where `time` is a corrected one.
    """
    user = connection.execute(select(User.__table__).where(User.id == user_id)).mappings().one()
    aside: dict[str, Any] = {"listener": _record(user)}
    for event in _events(connection, user_id):
        yield _line({"v": 1, "user": user["username"], **event, **aside})
        aside = {}


def _events(connection: Connection, user_id: int) -> Iterator[dict[str, Any]]:
    yield from _preferences(connection, user_id)
    yield from _favorites(connection, user_id)
    yield from _plays(connection, user_id)


def _record(user: Any) -> dict[str, Any]:
    known = {name: user[name] for name in ("email", "moods") if user[name] is not None}
    return {"since": _time(user["created_at"], None), "is_active": user["is_active"], **known}


def _preferences(connection: Connection, user_id: int) -> Iterator[dict[str, Any]]:
    columns = select(Preference.event_id, Preference.said_at, Preference.told_at, Preference.key, Preference.value)
    rows = connection.execute(columns.where(Preference.user_id == user_id).order_by(Preference.said_at))
    for event_id, said_at, told_at, key, value in rows:
        times = _times(said_at, told_at, None)
        yield {"type": "preference", "id": str(event_id), **times, "key": key, "value": value}


def _favorites(connection: Connection, user_id: int) -> Iterator[dict[str, Any]]:
    rows = connection.execute(
        select(Favorite.event_id, Favorite.said_at, Favorite.told_at, Favorite.is_favorite, *_SONG)
        .join(Song)
        .where(Favorite.user_id == user_id)
        .order_by(Favorite.said_at)
    )
    for event_id, said_at, told_at, favorite, *song in rows:
        yield {
            "type": "favorite",
            "id": str(event_id),
            **_times(said_at, told_at, None),
            "song": _song(*song),
            "favorite": favorite,
        }


_SONG: Final = (Song.title, Song.artist, Song.album, Song.duration_ms, Song.attributes)


def _plays(connection: Connection, user_id: int) -> Iterator[dict[str, Any]]:
    rows = connection.execute(
        select(
            PlayHistory.id, PlayHistory.played_at, PlayHistory.told_at, PlayHistory.utc_offset_minutes,
            PlayHistory.ms_played, PlayHistory.source, PlayHistory.context, *_SONG,
        )
        .join(Song)
        .where(PlayHistory.user_id == user_id)
        .order_by(PlayHistory.played_at)
        .execution_options(yield_per=_AT_ONCE)
    )  # fmt: skip
    for event_id, played_at, told_at, offset, ms_played, source, context, *song in rows:
        told = {"ms_played": ms_played, "source": source, "context": context}
        yield {
            "type": "play",
            "id": str(event_id),
            **_times(played_at, told_at, offset),
            "song": _song(*song),
            **{name: value for name, value in told.items() if value is not None},
        }


def _song(title: str, artist: str, album: str | None, duration_ms: int | None, ids: dict[str, Any] | None) -> Any:
    known = {"album": album, "duration_ms": duration_ms, "ids": dict(list((ids or {}).items())[:_MOST_IDS]) or None}
    return {"title": title, "artist": artist, **{name: value for name, value in known.items() if value is not None}}


def _times(at: datetime, told_at: datetime | None, offset_minutes: int | None) -> dict[str, str]:
    time = {"time": _time(at, offset_minutes)}
    return time if told_at is None else time | {"told_at": _time(told_at, offset_minutes)}


def _time(at: datetime, offset_minutes: int | None) -> str:
    if offset_minutes is None:
        return at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    return at.astimezone(timezone(timedelta(minutes=offset_minutes))).isoformat()


def _line(event: dict[str, Any]) -> bytes:
    line = encode(event)
    if len(line) <= MAX_EVENT_BYTES:
        return line
    # A song may have learned more from all who played it than one event can hold. What is the user's own fits.
    event["song"].pop("ids", None)
    event["song"].pop("album", None)
    return encode(event)
