"""Export everything about a user as lines that can be published again."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import chain
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import Connection, select

from worker.contract.codec import encode
from worker.contract.events import MAX_EVENT_BYTES
from worker.contract.identity import typed_user
from worker.contract.json_limits import as_published
from worker.contract.wire import validate
from worker.errors import UnknownUserError
from worker.importers.json_lines import ACCOUNT, CORRECTED, FEEDBACK, LEFT_OUT, LETTER, TOKEN
from worker.models import (
    AccessToken,
    CorrectedPlay,
    Favorite,
    PendingFeedback,
    PlayHistory,
    Preference,
    Song,
    User,
)
from worker.models.sent_song import columns_of_song, with_song
from worker.operations.dead_letters import with_payload
from worker.operations.left_out import LeftOutName, left_out
from worker.operations.tokens import scopes_of
from worker.privacy.attribution import is_about

_AT_ONCE: Final = 1_000
_MOST_IDS: Final = 16


def export_lines(connection: Connection, username: str) -> Iterator[bytes]:
    """The user's account and tokens, then preferences, favorites and plays as one event a line, then what is no event.

    Each kind is in order, oldest first. Publishing the lines again changes nothing, and after `zik forget` restores
    everything that counted: ids, offsets, tombstones. Some things have no field in an event, and publishing
    ignores them: the account, in the first line; what may be shown of tokens; what the user leaves out of their
    statistics; the original time of a device with a wrong clock (`reported_at`); and, last, plays as they were before
    they were deleted or edited, feedback on songs that are not there yet, and the dead letters. Only letters that are
    certainly about this user are exported: the others may be about someone else. An event that is too large to be
    published again is exported whole, so that its user does not lose it.

    Raises:
        UnknownUserError: there is no such user, nor any dead letter of that name.
    """
    name, found = typed_user(username), False
    for line in chain(_recorded(connection, name), _letters(connection, name)):
        found = True
        yield line
    if not found:
        raise UnknownUserError(name)


def _recorded(connection: Connection, username: str) -> Iterator[bytes]:
    user = connection.execute(select(User.__table__).where(User.username == username)).mappings().one_or_none()
    if user is None:
        return
    yield encode({ACCOUNT: _account(user)})
    for token in _tokens(connection, user["id"]):
        yield encode({TOKEN: token})
    for name in left_out(connection, user["id"]):
        yield encode({LEFT_OUT: _left_out(name)})
    for event in _events(connection, user["id"]):
        yield _line({"v": 1, "user": username, **event})
    for corrected in _corrected(connection, user["id"]):
        yield encode({CORRECTED: corrected})
    for feedback in _pending_feedback(connection, user["id"]):
        yield encode({FEEDBACK: feedback})


def _letters(connection: Connection, username: str) -> Iterator[bytes]:
    for letter in with_payload(connection, lambda payload: is_about(payload, username)):
        kept_since = _time(letter.created_at, None)
        text = letter.payload.decode(errors="backslashreplace")
        fields = {"reason": letter.reason, "detail": letter.detail, "kept_since": kept_since, "payload": text}
        yield encode({LETTER: fields})


def _events(connection: Connection, user_id: int) -> Iterator[dict[str, Any]]:
    yield from _preferences(connection, user_id)
    yield from _favorites(connection, user_id)
    yield from _plays(connection, user_id)


def _account(user: Any) -> dict[str, Any]:
    optional = {name: user[name] for name in ("email", "moods") if user[name] is not None}
    since = _time(user["created_at"], None)
    return {"user": user["username"], "since": since, "is_active": user["is_active"], **optional}


def _tokens(connection: Connection, user_id: int) -> Iterator[dict[str, Any]]:
    """Without the digests: whoever reads an export must not be able to check a guess, or to log in by an MD5."""
    columns = (
        AccessToken.name,
        AccessToken.scopes,
        AccessToken.audioscrobbler,
        AccessToken.created_at,
        AccessToken.last_used_at,
    )
    rows = connection.execute(select(*columns).where(AccessToken.user_id == user_id).order_by(AccessToken.id))
    for name, scopes, audioscrobbler, created_at, last_used_at in rows:
        yield {
            "name": name,
            "scopes": scopes_of(scopes),
            "audioscrobbler": audioscrobbler is not None,
            "created": _time(created_at, None),
            "last_used": None if last_used_at is None else _time(last_used_at, None),
        }


def _left_out(name: LeftOutName) -> dict[str, Any]:
    title = {} if name.title is None else {"title": name.title}
    return {"artist": name.artist, **title, "since": _time(name.since, None)}


def _pending_feedback(connection: Connection, user_id: int) -> Iterator[dict[str, Any]]:
    rows = connection.execute(
        select(PendingFeedback.reference, PendingFeedback.score, PendingFeedback.said_at)
        .where(PendingFeedback.user_id == user_id)
        .order_by(PendingFeedback.said_at, PendingFeedback.reference)
    )
    for reference, score, said_at in rows:
        yield {"song": reference, "score": score, "time": _time(said_at, None)}


def _preferences(connection: Connection, user_id: int) -> Iterator[dict[str, Any]]:
    columns = select(Preference.event_id, Preference.said_at, Preference.reported_at, Preference.key, Preference.value)
    rows = connection.execute(columns.where(Preference.user_id == user_id).order_by(Preference.said_at))
    for event_id, said_at, reported_at, key, value in rows:
        times = _times(said_at, reported_at, None)
        yield {"type": "preference", "id": str(event_id), **times, "key": key, "value": as_published(value)}


def _favorites(connection: Connection, user_id: int) -> Iterator[dict[str, Any]]:
    rows = connection.execute(
        select(Favorite.event_id, Favorite.said_at, Favorite.reported_at, Favorite.is_favorite, *_SONG)
        .join(Song)
        .where(Favorite.user_id == user_id)
        .order_by(Favorite.said_at)
    )
    for event_id, said_at, reported_at, favorite, *song in rows:
        yield {
            "type": "favorite",
            "id": str(event_id),
            **_times(said_at, reported_at, None),
            "song": _song(*song),
            "favorite": favorite,
        }


_SONG: Final = (Song.title, Song.artist, Song.album, Song.duration_ms, Song.attributes)


_PLAY: Final = ("id", "played_at", "reported_at", "utc_offset_minutes", "ms_played", "source", "context")


def _plays(connection: Connection, user_id: int) -> Iterator[dict[str, Any]]:
    plays = select(*(PlayHistory.__table__.c[name] for name in _PLAY), *columns_of_song(PlayHistory))
    rows = connection.execute(
        with_song(plays, PlayHistory)
        .where(PlayHistory.user_id == user_id)
        .order_by(PlayHistory.played_at)
        .execution_options(yield_per=_AT_ONCE)
    )
    return (_play(*row) for row in rows)


def _corrected(connection: Connection, user_id: int) -> Iterator[dict[str, Any]]:
    """Plays as they were before each correction, with the correction: `deleted` or `edited`."""
    corrections = select(CorrectedPlay.is_deletion, CorrectedPlay.created_at)
    of_play = (CorrectedPlay.__table__.c[name] for name in _PLAY)
    plays = corrections.add_columns(*of_play, *columns_of_song(CorrectedPlay))
    rows = connection.execute(
        with_song(plays, CorrectedPlay)
        .where(CorrectedPlay.user_id == user_id)
        .order_by(CorrectedPlay.played_at, CorrectedPlay.id, CorrectedPlay.number)
        .execution_options(yield_per=_AT_ONCE)
    )
    for is_deletion, at, *play in rows:
        correction = {"correction": "deleted" if is_deletion else "edited", "corrected_at": _time(at, None)}
        yield correction | _play(*play)


def _play(*row: Any) -> dict[str, Any]:
    """The event of a row with the columns of `_PLAY` and of its song."""
    event_id, played_at, reported_at, offset, ms_played, source, context, *song = row
    optional = {"ms_played": ms_played, "source": source, "context": as_published(context)}
    return {
        "type": "play",
        "id": str(event_id),
        **_times(played_at, reported_at, offset),
        "song": _song(*song),
        **{name: value for name, value in optional.items() if value is not None},
    }


def _song(  # noqa: PLR0913, PLR0917 -- A song's columns.
    title: str,
    artist: str,
    album: str | None,
    duration_ms: int | None,
    ids: dict[str, Any] | None,
    artists: Sequence[str] | None = None,
    album_artist: str | None = None,
) -> dict[str, Any]:
    optional = {
        "album": album,
        "duration_ms": duration_ms,
        "ids": dict(list((ids or {}).items())[:_MOST_IDS]) or None,
        "artists": artists,
        "album_artist": album_artist,
    }
    return {"title": title, "artist": artist, **{name: value for name, value in optional.items() if value is not None}}


def _times(at: datetime, reported_at: datetime | None, offset_minutes: int | None) -> dict[str, str]:
    time = {"time": _time(at, offset_minutes)}
    return time if reported_at is None else time | {"reported_at": _time(reported_at, offset_minutes)}


def _time(at: datetime, offset_minutes: int | None) -> str:
    if offset_minutes is None:
        text = at.astimezone(UTC).replace(tzinfo=None).isoformat()
        # As short as it was: an event of the maximum size has no room for zeros.
        return (text.rstrip("0") if at.microsecond else text) + "Z"
    return at.astimezone(timezone(timedelta(minutes=offset_minutes))).isoformat()


def _line(event: dict[str, Any]) -> bytes:
    for shorter in _shorter(event):
        line = encode(shorter)
        if len(line) <= MAX_EVENT_BYTES:
            return line
    return encode(event)


def _shorter(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The event, then versions with fewer fields, the least important removed first.

    An event that arrived without `v` and `id` may have filled its 16 KiB with the rest, and a song may have collected
    more from all its events than one event can hold.
    """
    yield event
    event = _without(event, "v")
    yield event
    if _has_derived_id(event):
        event = _without(event, "id")
        yield event
    if "song" in event:
        event = event | {"song": _without(event["song"], "ids")}
        yield event
    yield _without(event, "reported_at")


def _without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in fields.items() if each != name}


def _has_derived_id(event: dict[str, Any]) -> bool:
    """Whether the contract would derive the same id for the event without one."""
    try:
        derived = validate(encode(_without(event, "id")).decode()).id
    except ValidationError:
        return False
    return derived == str(event["id"])
