"""ListenBrainz's exports: the zip with user, feedback and listens a month, and the older single arrays."""

from collections.abc import Iterator
from typing import Any

from worker.errors import InvalidEventError, NoSongError, Reason
from worker.importers.format import ACCOUNT, FEEDBACK, JsonFormat
from worker.importers.rows import Fields, Notes, at, favorite, play, song_of
from worker.importers.times import from_epoch, whole

_LOVE = 1


def _listen(row: Fields, notes: Notes) -> Iterator[Fields]:
    track = row.get("track_metadata")
    info = at(track, "additional_info")
    mbid = at(info, "recording_mbid") or at(track, "mbid_mapping", "recording_mbid")
    song = song_of(
        at(track, "track_name"),
        at(track, "artist_name"),
        album=at(track, "release_name"),
        duration_ms=_ms(info, "duration"),
        ids={"mbid": mbid, "isrc": _text(at(info, "isrc"))},
    )
    client = at(info, "submission_client") or at(info, "media_player")
    time = from_epoch("listened_at", row.get("listened_at"))
    yield play(time, song, ms_played=_ms(info, "duration_played"), context={"client": _text(client)})
    for recording in (at(track, "recording_msid"), row.get("recording_msid"), mbid):
        since = notes.loved.pop(recording, None) if isinstance(recording, str) else None
        if since:
            yield favorite(since, song)


def _ms(info: Any, field: str) -> int | None:
    """A duration that is given in milliseconds or, under another name, in seconds."""
    if (ms := at(info, f"{field}_ms")) is not None:
        return whole(f"{field}_ms", ms)
    seconds = at(info, field)
    return None if seconds is None else whole(field, seconds) * 1000


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _feedback(row: Fields, notes: Notes) -> Iterator[Fields]:
    if row.get("score") != _LOVE:
        raise NoSongError("a hate, or a love taken back: zik keeps loves")
    time = from_epoch("created", row.get("created"))
    track = row.get("track_metadata")
    if at(track, "track_name"):
        yield favorite(time, song_of(at(track, "track_name"), at(track, "artist_name")))
        return
    # It names the song by an id that only the listens explain, and they are read after it.
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
        rank=ACCOUNT,
    ),
    JsonFormat(
        name="ListenBrainz feedback",
        source="listenbrainz-export",
        prefixes=("", "item", "feedback.item"),
        keys=("recording_msid", "score", "created"),
        user=("user_id", "item.user_id", "feedback.item.user_id"),
        convert=_feedback,
        rank=FEEDBACK,
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
