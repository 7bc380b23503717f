"""Read ListenBrainz's exports: the zip with user, feedback and monthly listens, and the older single arrays."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from worker.errors import InvalidEventError, Reason
from worker.importers.format import JsonFormat, ReadOrder
from worker.importers.rows import Feedback, Fields, Notes, favorite_event, play_event, song_fields, value_at
from worker.importers.times import from_epoch, whole

_LOVE: Final = 1
# A hate, and a love or hate that was withdrawn: either way the recording is not loved any more.
_NO_LOVES: Final = (0, -1)
# Where a listen may have an id of its recording.
_IDS: Final = (
    ("recording_msid",),
    ("track_metadata", "recording_msid"),
    ("track_metadata", "additional_info", "recording_msid"),
    ("track_metadata", "additional_info", "recording_mbid"),
    ("track_metadata", "mbid_mapping", "recording_mbid"),
)


def _listen(row: Fields, notes: Notes) -> Iterator[Fields]:
    track = row.get("track_metadata")
    info = value_at(track, "additional_info")
    mbid = value_at(info, "recording_mbid") or value_at(track, "mbid_mapping", "recording_mbid")
    song = song_fields(
        value_at(track, "track_name"),
        value_at(track, "artist_name"),
        album=value_at(track, "release_name"),
        duration_ms=_ms(info, "duration"),
        ids={"mbid": mbid, "isrc": value_at(info, "isrc")},
        artists=value_at(info, "artist_names") or _credited(value_at(track, "mbid_mapping", "artists")),
        album_artist=value_at(info, "release_artist_name") or value_at(info, "albumartist"),
    )
    client = value_at(info, "submission_client") or value_at(info, "media_player")
    time = from_epoch("listened_at", row.get("listened_at"))
    yield play_event(time, song, ms_played=_ms(info, "duration_played"), context={"client": client})
    if notes.feedback:
        yield from _matched(row, song, notes)


def _credited(artists: Any) -> Any:
    """The names of the artists, as MusicBrainz credits them, of a listen that ListenBrainz has mapped."""
    return [value_at(artist, "artist_credit_name") for artist in artists] if isinstance(artists, list) else None


def _matched(row: Fields, song: Fields, notes: Notes) -> Iterator[Fields]:
    """The feedback about the song of a listen, by any of the listen's ids."""
    for recording in (value_at(row, *place) for place in _IDS):
        feedback = notes.feedback.get(recording) if isinstance(recording, str) else None
        if feedback and not feedback.is_matched:
            feedback.is_matched = True
            yield favorite_event(feedback.time, song, favorite=feedback.is_love)


def _ms(info: Any, field: str) -> Any:
    """A duration in milliseconds, from `<field>_ms`, or from `<field>` in seconds."""
    ms = value_at(info, f"{field}_ms")
    return whole(value_at(info, field), times=1000) if ms in (None, "") else whole(ms)


def _feedback(row: Fields, notes: Notes) -> Iterator[Fields]:
    score = row.get("score")
    if score not in (_LOVE, *_NO_LOVES) or isinstance(score, bool):
        raise InvalidEventError(Reason.INVALID_VALUE, "score: must be 1, 0 or -1")
    time = from_epoch("created", row.get("created"))
    track = row.get("track_metadata")
    if value_at(track, "track_name"):
        song = song_fields(value_at(track, "track_name"), value_at(track, "artist_name"))
        yield favorite_event(time, song, favorite=score == _LOVE)
        return
    # It has only ids of the song. The listens, which are read later, have the name.
    recordings = [row.get(name) for name in ("recording_msid", "recording_mbid")]
    names = [recording for recording in recordings if recording and isinstance(recording, str)]
    if not names:
        raise InvalidEventError(Reason.MISSING_FIELD, "recording_msid: Field required")
    feedback = Feedback(names[0], time, is_love=score == _LOVE)
    for name in names:
        older = notes.feedback.get(name)
        if older is None or datetime.fromisoformat(older.time) <= datetime.fromisoformat(time):
            notes.feedback[name] = feedback


def _account(row: Fields, notes: Notes) -> Iterator[Fields]:
    username = row.get("username")
    notes.user = username if isinstance(username, str) else notes.user
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
        user=("user_name", "item.user_name", "payload.user_id", "listens.item.user_name"),
        convert=_listen,
    ),
)
