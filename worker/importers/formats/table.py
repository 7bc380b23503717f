"""Read tables with one play per row: Last.fm's CSV exporters, and any CSV or flat JSON with known column names."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from worker.errors import NoSongError
from worker.escaping import from_spreadsheet_cell
from worker.importers.csv_rows import Header, csv_reader, first_rows
from worker.importers.format import Head, Recognised
from worker.importers.json_rows import document_reader, lines_reader
from worker.importers.rows import Converter, Fields, Notes, Reader, favorite_event, joined, play_event, song_fields
from worker.importers.times import from_text, whole

# Compared in lower case, without spaces and punctuation. If a table has several, the earlier one here is more exact.
_COLUMN_NAMES: Final = {
    "title": ("track", "title", "trackname", "tracktitle", "name", "song", "songname", "songtitle"),
    "artist": ("artist", "artistname", "artists", "artistnames", "trackartist"),
    "album_artist": ("albumartist", "albumartistname", "releaseartistname"),
    "album": ("album", "albumname", "albumtitle", "release", "releasename"),
    "time": (
        *("ts", "uts", "timestamp", "timestampms", "timems", "playedat", "listenedat", "scrobbledat", "listendate"),
        *("datetime", "dateplayed", "playedon", "scrobbletime", "time", "date", "utctime"),
    ),
    "ms_played": ("msplayed",),
    "duration_ms": ("durationms",),
    "mbid": ("trackmbid", "recordingmbid", "mbid"),
    "isrc": ("isrc",),
}
_REQUIRED: Final = ("title", "artist", "time")
_PUNCTUATION: Final = re.compile(r"[\W_]+")
_HEADERLESS: Final = ("artist", "album", "title", "time")
_LASTFM_TIME: Final = re.compile(r"\d{1,2} [A-Z][a-z]{2} \d{4},? \d\d:\d\d")
_COLUMNS: Final = "columns or keys for title, artist and time"

# For each meaning, the columns that may have it.
_Places = dict[str, list[str]]


def _places(names: list[str]) -> _Places | None:
    """The columns of a table of plays; None if it is none."""
    plain = {name: _PUNCTUATION.sub("", name.lower()) for name in names}
    found = {
        meaning: [name for spelling in spellings for name in names if plain[name] == spelling]
        for meaning, spellings in _COLUMN_NAMES.items()
    }
    if not all(found[meaning] for meaning in _REQUIRED):
        return None
    return {meaning: columns for meaning, columns in found.items() if columns}


def _converter(
    places: _Places, *, is_lastfm: bool, is_loved: bool = False, name: Callable[[Any], Any] = lambda cell: cell
) -> Converter:
    """`name` reads the cell of a title, an artist or an album."""
    single = [(meaning, columns[0]) for meaning, columns in places.items() if len(columns) == 1]
    several = [(meaning, columns) for meaning, columns in places.items() if len(columns) > 1]
    has_ids = not places.keys().isdisjoint(("mbid", "isrc"))

    def convert(row: Fields, _: Notes) -> Iterator[Fields]:
        cells = {meaning: row.get(column) for meaning, column in single}
        for meaning, columns in several:
            cells[meaning] = _first(row, columns)
        if is_lastfm and not cells["time"]:
            raise NoSongError("now-playing track")
        artist = cells["artist"]
        song = song_fields(
            name(cells["title"]),
            name(joined(artist)),
            album=name(cells.get("album")),
            duration_ms=whole(cells.get("duration_ms")),
            ids={"mbid": cells.get("mbid"), "isrc": cells.get("isrc")} if has_ids else None,
            artists=artist if isinstance(artist, list) else None,
            album_artist=name(cells.get("album_artist")),
        )
        time = from_text("time", cells["time"])
        if is_loved:
            yield favorite_event(time, song)
        else:
            yield play_event(time, song, ms_played=whole(cells.get("ms_played")), told_time=cells["time"])

    return convert


def _first(row: Fields, columns: list[str]) -> Any:
    for column in columns:
        if (cell := row.get(column)) not in (None, ""):
            return cell
    return None


def _name(cell: Any) -> Any:
    """As a spreadsheet shows it: `zik recent --csv` writes `+44` as `'+44`."""
    return from_spreadsheet_cell(cell) if isinstance(cell, str) else cell


class CsvTable:
    """A CSV of one of Last.fm's exporters, or any other such as `ts,track,artist,album`."""

    name = "Last.fm CSV, or a table of plays"
    looks_like = f"{_COLUMNS}; or, without a header, artist, album, title, `31 May 2016, 20:46`"

    def recognise(self, head: Head) -> Recognised | None:
        for header in head.headers:
            if places := _places([name for name in header.names if name]):
                return _table(header, places)
        if any(len(row) == len(_HEADERLESS) and _LASTFM_TIME.match(row[-1]) for row in first_rows(head.text)):
            return _table(Header(0, ",", _HEADERLESS), {name: [name] for name in _HEADERLESS})
        return None


def _table(header: Header, places: _Places) -> Recognised:
    is_lastfm = not header.line or header.user is not None or "utc_time" in header.names
    # An exporter of loved tracks has no album column.
    is_loved = "utc_time" in header.names and "album" not in places
    convert = _converter(places, is_lastfm=is_lastfm, is_loved=is_loved, name=_name)
    required = 1 + max(header.names.index(places[meaning][0]) for meaning in _REQUIRED)
    name, source = ("Last.fm CSV", "lastfm-export") if is_lastfm else ("table of plays", "table")
    return Recognised(name, source, csv_reader(header, convert, required=required), header.user)


class FlatJson:
    name = "flat JSON"
    looks_like = f"JSON objects: {_COLUMNS}"

    def recognise(self, head: Head) -> Recognised | None:
        for prefix in dict.fromkeys(_prefix(path) for path in head.paths):
            if prefix is None:
                continue
            names = [path.removeprefix(f"{prefix}.") for path in head.paths if _prefix(path) == prefix]
            if places := _places(names):
                user = head.paths.get("username")
                read = _reader(prefix, _converter(places, is_lastfm=False), names)
                return Recognised("table of plays", "table", read, user if isinstance(user, str) else None)
        return None


def _reader(prefix: str, convert: Converter, names: list[str]) -> Reader:
    if prefix in {"", "item"}:
        return document_reader(prefix, convert) if prefix else lines_reader(convert)
    # `scrobbles.item` as `*.item`: the array may stand under any key.
    *outer, _, item = prefix.split(".")
    return document_reader(".".join((*outer, "*", item)), convert, keys=names)


def _prefix(path: str) -> str | None:
    """Where the object with this key stands: in an array, or "" for JSON Lines; None for any other object."""
    above, _, _ = path.rpartition(".")
    return above if not above or above == "item" or above.endswith(".item") else None


FORMATS: Final = (CsvTable(), FlatJson())
