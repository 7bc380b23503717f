"""Read the files that Pano Scrobbler writes to, JSON Lines or CSV: a line for each scrobble, love and unlove."""

from collections.abc import Iterator
from typing import Final

from worker.errors import InvalidEventError, Reason
from worker.importers.format import CsvFormat, JsonFormat
from worker.importers.rows import Fields, Notes, favorite_event, play_event, song_fields
from worker.importers.times import from_epoch, whole

_NAME: Final = "Pano Scrobbler"
_SOURCE: Final = "pano-scrobbler"
_COLUMNS: Final = ("timeMs", "artist", "track", "event")


def _entry(row: Fields, _: Notes) -> Iterator[Fields]:
    # Kotlin writes a missing duration into a table as "null".
    duration = None if row.get("durationMs") == "null" else whole(row.get("durationMs"))
    song = song_fields(
        row.get("track"),
        row.get("artist"),
        album=row.get("album"),
        duration_ms=duration,
        album_artist=row.get("albumArtist"),
    )
    time = from_epoch("timeMs", row.get("timeMs"))
    match row.get("event"):
        case "scrobble" | None | "":
            yield play_event(time, song, context={"client": row.get("mediaPlayerName")})
        case "love" | "unlove" as event:
            yield favorite_event(time, song, favorite=event == "love")
        case _:
            raise InvalidEventError(Reason.INVALID_VALUE, "event: must be scrobble, love or unlove")


FORMATS = (
    JsonFormat(name=_NAME, source=_SOURCE, prefixes=("", "item"), keys=("timeMs", "artist", "track"), convert=_entry),
    CsvFormat(name=_NAME, source=_SOURCE, columns=_COLUMNS, convert=_entry),
)
