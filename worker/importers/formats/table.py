"""Read tables with one play per row: Last.fm's CSV exporters, and any CSV or flat JSON with known column names."""

import csv
import re
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from worker.errors import Reason
from worker.importers.format import Head, Recognised
from worker.importers.json_rows import document_reader, numbered_lines
from worker.importers.rows import (
    Converter,
    Fields,
    Notes,
    Refusal,
    Row,
    convert_row,
    favorite_event,
    play_event,
    song_fields,
)
from worker.importers.times import from_text

_COLUMN_NAMES: Final = {
    "title": ("track", "title", "track_name", "trackname", "name", "song"),
    "artist": ("artist", "artist_name", "artistname"),
    "album": ("album", "album_name", "albumname", "release"),
    # If a table has several, the earlier one here is more exact.
    "time": ("ts", "uts", "timestamp", "played_at", "listened_at", "listendate", "time", "date", "utc_time"),
    "mbid": ("track_mbid",),
}
_HEADERLESS: Final = {"artist": 0, "album": 1, "title": 2, "time": 3}
_LASTFM_TIME: Final = re.compile(r"\d{1,2} [A-Z][a-z]{2} \d{4},? \d\d:\d\d")
_HEADERLESS_LINES: Final = 5
_COLUMNS: Final = "columns or keys for title, artist and time"


class _Layout(NamedTuple):
    """Where a table has its cells. `is_loved`: its rows are loved tracks, which have no album column."""

    delimiter: str
    columns: dict[str, int]
    has_header: bool
    is_loved: bool = False
    user: str | None = None


def _columns(names: list[str]) -> dict[str, int]:
    places = {name.strip().lower(): place for place, name in reversed(list(enumerate(names)))}
    known = {
        meaning: [places[name] for name in spellings if name in places] for meaning, spellings in _COLUMN_NAMES.items()
    }
    return {meaning: found[0] for meaning, found in known.items() if found}


def _layout(head: Head) -> _Layout | None:
    first = head.lines[0] if head.lines else ""
    for delimiter in (",", ";", "\t"):
        # lastfmstats.com appends the user to the header: `Date#ada`.
        names, _, user = first.partition("#")
        header = _cells(names, delimiter)
        columns = _columns(header)
        if {"title", "artist", "time"} <= columns.keys():
            is_loved = "utc_time" in header and "album" not in columns
            return _Layout(delimiter, columns, has_header=True, is_loved=is_loved, user=user.strip(' "') or None)
    if any(_is_headerless(line) for line in head.lines[:_HEADERLESS_LINES]):
        return _Layout(",", _HEADERLESS, has_header=False)
    return None


def _is_headerless(line: str) -> bool:
    """Whether a line is artist, album, title and a time in Last.fm's spelling, as lastfm-to-csv writes it."""
    cells = _cells(line, ",")
    return len(cells) == len(_HEADERLESS) and bool(_LASTFM_TIME.match(cells[_HEADERLESS["time"]]))


def _cells(line: str, delimiter: str) -> list[str]:
    """Parse one line as one row, so that an unclosed quote does not swallow the rows after it."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _row(place: str, raw: bytes, layout: _Layout, notes: Notes) -> Iterator[Row]:
    try:
        cells = _cells(raw.decode(), layout.delimiter)
    except UnicodeDecodeError:
        yield Refusal(place, Reason.BAD_ENCODING, "must be UTF-8")
        return
    if len(cells) <= max(layout.columns.values()):
        yield Refusal(place, Reason.INVALID_VALUE, "has fewer columns than the header, or an unclosed quote")
        return
    fields = {meaning: cells[column] for meaning, column in layout.columns.items()}
    yield from convert_row(place, fields, _love if layout.is_loved else _play, notes)


def _play(row: Fields, notes: Notes) -> Iterator[Fields]:
    yield play_event(from_text("time", row.get("time"), notes.timezone), _song(row))


def _love(row: Fields, notes: Notes) -> Iterator[Fields]:
    yield favorite_event(from_text("time", row.get("time"), notes.timezone), _song(row))


def _song(row: Fields) -> Fields:
    return song_fields(row.get("title"), row.get("artist"), album=row.get("album"), ids={"mbid": row.get("mbid")})


class CsvTable:
    """A CSV of one of Last.fm's exporters, or any other such as `ts,track,artist,album`."""

    name = "Last.fm CSV, or a table of plays"
    looks_like = f"{_COLUMNS}; or, without a header, artist, album, title, `31 May 2016, 20:46`"

    def recognise(self, head: Head) -> Recognised | None:
        layout = None if head.paths else _layout(head)
        if layout is None:
            return None
        is_lastfm = not layout.has_header or layout.user or "utc_time" in head.lines[0]
        name, source = ("Last.fm CSV", "lastfm-export") if is_lastfm else ("table of plays", "table")

        def read(file: BinaryIO, notes: Notes) -> Iterator[Row]:
            for number, raw in numbered_lines(file):
                if number == 1 and layout.has_header:
                    continue
                yield from _row(f"line {number}", raw, layout, notes)

        return Recognised(name, source, read, layout.user)


class FlatJson:
    name = "flat JSON"
    looks_like = f"an array of objects: {_COLUMNS}"

    def recognise(self, head: Head) -> Recognised | None:
        for prefix in ("item", "scrobbles.item"):
            keys = [path.removeprefix(f"{prefix}.") for path in head.paths if path.startswith(f"{prefix}.")]
            columns = {meaning: keys[column] for meaning, column in _columns(keys).items()}
            if {"title", "artist", "time"} <= columns.keys():
                user = head.paths.get("username")
                read = document_reader(prefix, _named(columns))
                return Recognised("table of plays", "table", read, user if isinstance(user, str) else None)
        return None


def _named(columns: dict[str, str]) -> Converter:
    def convert(row: Fields, notes: Notes) -> Iterator[Fields]:
        return _play({meaning: row.get(key) for meaning, key in columns.items()}, notes)

    return convert


FORMATS: Final = (CsvTable(), FlatJson())
