"""Read Apple Music's `Play Activity`, of the privacy export: a row for each play, with the listener's offset."""

from collections.abc import Iterator
from datetime import timedelta, timezone
from typing import Final

from worker.errors import InvalidEventError, NoSongError, Reason
from worker.importers.format import CsvFormat
from worker.importers.rows import Fields, Notes, play_event, song_fields
from worker.importers.times import instant, rfc_3339, start_time, whole

_MAX_OFFSET_S: Final = 18 * 3600
# Other rows are of lyrics that were shown, and of plays that have only begun.
_PLAYED: Final = "PLAY_END"


def _play(row: Fields, _: Notes) -> Iterator[Fields]:
    if row.get("Event Type") not in {_PLAYED, "", None}:
        raise NoSongError("other event")
    if row.get("Media Type") == "VIDEO":
        raise NoSongError("video")
    title = row.get("Song Name") or row.get("Content Name")
    if not title:
        raise NoSongError("nameless track")
    if not row.get("Artist Name"):
        # `Container Artist Name` is the artist of the page from which the song was started.
        rule = "song.artist: Apple's newer exports do not name the artist of a play"
        raise InvalidEventError(Reason.MISSING_FIELD, rule)
    song = song_fields(
        title,
        row.get("Artist Name"),
        album=row.get("Album Name"),
        duration_ms=whole(row.get("Media Duration In Milliseconds")),
    )
    ms_played = whole(row.get("Play Duration Milliseconds"))
    context = {"reason_end": row.get("End Reason Type")}
    yield play_event(_time(row, ms_played), song, ms_played=ms_played, context=context)


def _time(row: Fields, ms_played: object) -> str:
    if start := row.get("Event Start Timestamp"):
        at = instant("Event Start Timestamp", start)
    else:
        at = instant("", start_time("Event End Timestamp", row.get("Event End Timestamp"), ms_played))
    offset_s = whole(row.get("UTC Offset In Seconds"))
    if not isinstance(offset_s, int) or abs(offset_s) > _MAX_OFFSET_S:
        return rfc_3339(at)
    return at.astimezone(timezone(timedelta(minutes=offset_s // 60))).isoformat()


FORMATS = tuple(
    CsvFormat(
        name="Apple Music",
        source="apple-export",
        columns=(title, "Event Start Timestamp", "Play Duration Milliseconds"),
        convert=_play,
    )
    # The second is that of exports until about 2021.
    for title in ("Song Name", "Content Name")
)
