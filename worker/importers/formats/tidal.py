"""Read Tidal's `streaming.csv`, of the data export: times to the minute, in the listener's zone."""

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from worker.errors import InvalidEventError, NoSongError, Reason
from worker.importers.format import CsvFormat
from worker.importers.rows import Fields, Notes, play_event, song_fields
from worker.importers.times import rfc_3339, whole

_TRACK: Final = "TRACK"


def _stream(row: Fields, _: Notes) -> Iterator[Fields]:
    kind = row.get("product_type") or _TRACK
    if kind != _TRACK:
        raise NoSongError("video" if kind == "VIDEO" else "other stream")
    song = song_fields(row.get("track_title"), row.get("artist_name"))
    yield play_event(_time(row), song, ms_played=whole(row.get("stream_duration_ms")))


def _time(row: Fields) -> str:
    try:
        at = datetime.strptime(row.get("entry_date", ""), "%d/%m/%Y %H:%M")  # noqa: DTZ007 -- The zone is beside it.
    except ValueError:
        raise InvalidEventError(Reason.INVALID_VALUE, "entry_date: must be a date and a time") from None
    zone = _zone(row.get("time_zone"))
    return rfc_3339(at.replace(tzinfo=UTC)) if zone is None else at.replace(tzinfo=zone).isoformat()


@lru_cache(maxsize=1_000)
def _zone(name: Any) -> tzinfo | None:
    """None for the `null` of rows that the phone has sent, whose times are in UTC."""
    if not name or name == "null":
        return None
    try:
        return ZoneInfo(name)
    # OSError: a name such as "..", which is a folder.
    except (KeyError, ValueError, OSError):
        return None


FORMATS = (
    CsvFormat(
        name="Tidal",
        source="tidal-export",
        columns=("artist_name", "track_title", "entry_date", "stream_duration_ms"),
        convert=_stream,
    ),
)
