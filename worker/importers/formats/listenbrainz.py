"""Read ListenBrainz's exports: the zip with user, feedback and monthly listens, and the older single arrays."""

from collections.abc import Iterator
from typing import Any

from worker.errors import InvalidEventError, NoSongError, Reason
from worker.importers.format import JsonFormat, ReadOrder
from worker.importers.rows import Fields, Notes, favorite_event, play_event, song_fields, value_at
from worker.importers.times import from_epoch, whole_number

_LOVE = 1


def _listen(row: Fields, notes: Notes) -> Iterator[Fields]:
    track = row.get("track_metadata")
    info = value_at(track, "additional_info")
    mbid = value_at(info, "recording_mbid") or value_at(track, "mbid_mapping", "recording_mbid")
    song = song_fields(
        value_at(track, "track_name"),
        value_at(track, "artist_name"),
        album=value_at(track, "release_name"),
        duration_ms=_ms(info, "duration"),
        ids={"mbid": mbid, "isrc": _text(value_at(info, "isrc"))},
    )
    client = value_at(info, "submission_client") or value_at(info, "media_player")
    time = from_epoch("listened_at", row.get("listened_at"))
    yield play_event(time, song, ms_played=_ms(info, "duration_played"), context={"client": _text(client)})
    for recording in (value_at(track, "recording_msid"), row.get("recording_msid"), mbid):
        since = notes.loved.pop(recording, None) if isinstance(recording, str) else None
        if since:
            yield favorite_event(since, song)


def _ms(info: Any, field: str) -> int | None:
    """A duration in milliseconds, from `<field>_ms`, or from `<field>` in seconds."""
    if (ms := value_at(info, f"{field}_ms")) is not None:
        return whole_number(f"{field}_ms", ms)
    seconds = value_at(info, field)
    return None if seconds is None else whole_number(field, seconds) * 1000


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _feedback(row: Fields, notes: Notes) -> Iterator[Fields]:
    if row.get("score") != _LOVE:
        raise NoSongError("a hate or a withdrawn love; zik imports loves only")
    time = from_epoch("created", row.get("created"))
    track = row.get("track_metadata")
    if value_at(track, "track_name"):
        yield favorite_event(time, song_fields(value_at(track, "track_name"), value_at(track, "artist_name")))
        return
    # It has only an id of the song. The listens, which are read later, have the name.
    recording = row.get("recording_msid") or row.get("recording_mbid")
    if not isinstance(recording, str):
        raise InvalidEventError(Reason.MISSING_FIELD, "recording_msid: Field required")
    notes.loved[recording] = time


def _account(row: Fields, notes: Notes) -> Iterator[Fields]:
    notes.user = _text(row.get("username")) or notes.user
    return iter(())


FORMATS = (
    JsonFormat(
        name="ListenBrainz account",
        source="listenbrainz-export",
        prefixes=("",),
        keys=("user_id", "username"),
        convert=_account,
        order=ReadOrder.ACCOUNT,
    ),
    JsonFormat(
        name="ListenBrainz feedback",
        source="listenbrainz-export",
        prefixes=("", "item", "feedback.item"),
        keys=("recording_msid", "score", "created"),
        user=("user_id", "item.user_id", "feedback.item.user_id"),
        convert=_feedback,
        order=ReadOrder.FEEDBACK,
    ),
    JsonFormat(
        name="ListenBrainz listens",
        source="listenbrainz-export",
        prefixes=("", "item", "payload.item", "payload.listens.item"),
        keys=("listened_at", "track_metadata.track_name", "track_metadata.artist_name"),
        user=("user_name", "item.user_name", "payload.user_id"),
        convert=_listen,
    ),
)
