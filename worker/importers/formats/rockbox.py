"""Read what Rockbox and other players log: `.scrobbler.log`, version 1.0 or 1.1, and Rockbox's `playback.log`."""

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from worker.errors import InvalidEventError, Reason
from worker.importers.format import Head, Recognised
from worker.importers.lines import numbered_lines
from worker.importers.rows import (
    Fields,
    LeftOut,
    Notes,
    ParsedEvent,
    Refusal,
    Row,
    convert_row,
    play_event,
    song_fields,
)
from worker.importers.times import from_epoch, from_local_epoch, whole

_MAGIC: Final = "#AUDIOSCROBBLER/"
_COLUMNS: Final = ("artist", "album", "title", "track_number", "length", "rating", "timestamp", "mbid")
_MIN_COLUMNS: Final = 7
_HEADERLESS: Final = re.compile(r"[^\t]+\t[^\t]*\t[^\t]+\t[^\t]*\t-?\d*\t[LS]?\t\d+(\t[^\t]*)?")

_PLAYBACK: Final = re.compile(r"(?P<ended>\d+):(?P<elapsed>\d+):(?P<length>\d+):(?P<path>/.+)")
# The tags are not in the log, so the names are those of the usual folders.
_PATH: Final = re.compile(r".*/(?P<artist>[^/]+)/(?P<album>[^/]+)/(?P<file>[^/]+)")
_TRACK_NUMBER: Final = re.compile(r"^(\d+-)?\d{1,3}(\s*[-._]\s*|\s+)(?=\S)")
_SUFFIX: Final = re.compile(r"\.[A-Za-z0-9]{2,5}$")
_HEAD_LINES: Final = 8

_Time = Callable[[str, object], str]


def _scrobbler_log(file: BinaryIO, notes: Notes, time: _Time) -> Iterator[Row]:
    """The rows of a log. Of a listen and a skip of a song in one second, the listen counts, and is the play."""
    rows: list[Row] = []
    second = None
    for number, line in numbered_lines(file):
        if isinstance(line, Refusal):
            rows.append(line)
            continue
        if not line.strip() or line.startswith("#"):
            continue
        cells = line.split("\t")
        if len(cells) < _MIN_COLUMNS:
            rule = f"must have at least {_MIN_COLUMNS} columns, separated by tabs"
            rows.append(Refusal(f"line {number}", Reason.INVALID_VALUE, rule))
            continue
        row = dict(zip(_COLUMNS, cells, strict=False))
        if row["timestamp"] != second:
            yield from _without_skipped_listens(rows)
            rows, second = [], row["timestamp"]
        rows += convert_row(f"line {number}", row, lambda row, _: _track(row, time), notes)
    yield from _without_skipped_listens(rows)


def _without_skipped_listens(rows: list[Row]) -> Iterator[Row]:
    heard = {
        (row.event["song"].get("artist"), row.event["song"].get("title"))
        for row in rows
        if isinstance(row, ParsedEvent) and "ms_played" not in row.event
    }
    for row in rows:
        if isinstance(row, ParsedEvent) and "ms_played" in row.event:
            song = row.event["song"]
            if (song.get("artist"), song.get("title")) in heard:
                yield LeftOut(row.place, "repeated skip")
                continue
        yield row


def _track(row: Fields, time: _Time) -> Iterator[Fields]:
    song = song_fields(
        row["title"],
        row["artist"],
        album=row["album"],
        duration_ms=whole(row["length"], times=1000),
        ids={"mbid": row.get("mbid")},
    )
    if not row["timestamp"].strip():
        raise InvalidEventError(Reason.MISSING_FIELD, "timestamp: Field required")
    played_at = time("timestamp", row["timestamp"])
    if row["rating"] == "S":
        # Skipped before its half. The log lacks the time heard, and 0 never counts as a listen.
        yield play_event(played_at, song, ms_played=0, context={"skipped": True})
    elif row["rating"] in {"L", ""}:
        yield play_event(played_at, song)
    else:
        raise InvalidEventError(Reason.INVALID_VALUE, "rating: must be L or S")


class ScrobblerLog:
    name = "Rockbox scrobbler log"
    looks_like = f"a first line {_MAGIC}1.1, or lines of artist, album, title, number, length, L or S, time"

    def recognise(self, head: Head) -> Recognised | None:
        first = next((line for line in head.lines if line.strip()), "")
        if first.startswith(_MAGIC):
            is_local = not any(line.strip() == "#TZ/UTC" for line in head.lines[:_HEAD_LINES])
        elif _HEADERLESS.fullmatch(first):
            # It does not say that its clock is local, so its count since 1970 is what such a count is.
            is_local = False
        else:
            return None
        time = from_local_epoch if is_local else from_epoch

        def read(file: BinaryIO, notes: Notes) -> Iterator[Row]:
            return _scrobbler_log(file, notes, time)

        return Recognised(self.name, "rockbox", read, needs_timezone=is_local)


def _playback_log(file: BinaryIO, notes: Notes) -> Iterator[Row]:
    for number, line in numbered_lines(file):
        place = f"line {number}"
        if isinstance(line, Refusal):
            yield line
        elif found := _PLAYBACK.fullmatch(line.strip()):
            yield from convert_row(place, found.groupdict(), _play, notes)
        elif line.strip() and not line.startswith("#"):
            yield Refusal(place, Reason.INVALID_VALUE, "must be time:elapsed:length:path")


def _play(row: Fields, _: Notes) -> Iterator[Fields]:
    names = _PATH.fullmatch(row["path"])
    if names is None:
        rule = "path: must be of artist, album and file, because the log has no tags"
        raise InvalidEventError(Reason.MISSING_FIELD, rule)
    title = _TRACK_NUMBER.sub("", _SUFFIX.sub("", names["file"]))
    song = song_fields(title, names["artist"], album=names["album"], duration_ms=whole(row["length"]))
    # Rockbox writes a line when a track ends (add_playbacklog in its apps/playback.c), by its local clock.
    elapsed_ms = int(row["elapsed"])
    began_at = int(row["ended"]) - elapsed_ms / 1000
    yield play_event(from_local_epoch("time", began_at), song, ms_played=elapsed_ms)


class PlaybackLog:
    name = "Rockbox playback log"
    looks_like = "lines of time:elapsed:length:path"

    def recognise(self, head: Head) -> Recognised | None:
        lines = (line.strip() for line in head.lines)
        first = next((line for line in lines if line and not line.startswith("#")), "")
        if not _PLAYBACK.fullmatch(first):
            return None
        return Recognised(self.name, "rockbox", _playback_log, needs_timezone=True)


FORMATS = (ScrobblerLog(), PlaybackLog())
