"""Read Rockbox's `.scrobbler.log`, the Audioscrobbler portable player log, version 1.0 or 1.1."""

from collections.abc import Iterator
from typing import BinaryIO, Final

from worker.errors import InvalidEventError, Reason
from worker.importers.format import Head, Recognised
from worker.importers.json_rows import numbered_lines
from worker.importers.rows import Fields, Notes, Refusal, Row, convert_row, play_event, song_fields
from worker.importers.times import from_epoch, from_local_epoch, whole_number

_MAGIC: Final = "#AUDIOSCROBBLER/"
_COLUMNS: Final = ("artist", "album", "title", "track_number", "length", "rating", "timestamp", "mbid")
_MIN_COLUMNS: Final = 7


def _read(file: BinaryIO, notes: Notes) -> Iterator[Row]:
    for number, line in numbered_lines(file):
        if line.startswith(b"#"):
            continue
        place = f"line {number}"
        try:
            cells = line.decode().split("\t")
        except UnicodeDecodeError:
            yield Refusal(place, Reason.BAD_ENCODING, "must be UTF-8")
            continue
        if len(cells) < _MIN_COLUMNS:
            yield Refusal(place, Reason.INVALID_VALUE, f"must have at least {_MIN_COLUMNS} columns, separated by tabs")
            continue
        yield from convert_row(place, dict(zip(_COLUMNS, cells, strict=False)), _track, notes)


def _track(row: Fields, notes: Notes) -> Iterator[Fields]:
    if row["timestamp"] in {"", "0"}:
        raise InvalidEventError(Reason.MISSING_FIELD, "timestamp: the player had no clock")
    song = song_fields(row["title"], row["artist"], album=row["album"], duration_ms=_ms(row["length"]), ids=_ids(row))
    if row["rating"] == "S":
        # Skipped before its half. The log lacks the time heard, and 0 never counts as a listen.
        yield play_event(_time(row, notes), song, ms_played=0, context={"skipped": True})
    elif row["rating"] in {"L", ""}:
        yield play_event(_time(row, notes), song)
    else:
        raise InvalidEventError(Reason.INVALID_VALUE, "rating: must be L or S")


def _time(row: Fields, notes: Notes) -> str:
    if notes.timezone:
        return from_local_epoch("timestamp", row["timestamp"], notes.timezone)
    return from_epoch("timestamp", row["timestamp"])


def _ms(seconds: str) -> int | None:
    return whole_number("length", seconds) * 1000 if seconds else None


def _ids(row: Fields) -> Fields:
    return {"mbid": row.get("mbid")}


def _read_in_utc(file: BinaryIO, notes: Notes) -> Iterator[Row]:
    return _read(file, Notes(user=notes.user))


class RockboxLog:
    name = "Rockbox scrobbler log"
    looks_like = f"a first line {_MAGIC}1.1"

    def recognise(self, head: Head) -> Recognised | None:
        if not head.lines or not head.lines[0].startswith(_MAGIC):
            return None
        in_utc = any(line.strip() == "#TZ/UTC" for line in head.lines[:8])
        read = _read_in_utc if in_utc else _read
        return Recognised(self.name, "rockbox", read, needs_timezone=not in_utc)


FORMATS = (RockboxLog(),)
