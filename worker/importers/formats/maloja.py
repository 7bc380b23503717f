"""Maloja's export (`maloja export`) and the answer of its API."""

from collections.abc import Iterator
from typing import Any

from worker.importers.format import JsonFormat
from worker.importers.rows import Fields, Notes, at, play, song_of
from worker.importers.times import from_epoch, whole


def _scrobble(row: Fields, _: Notes) -> Iterator[Fields]:
    # Until Maloja 3 the track's fields stood in the scrobble itself.
    track = row.get("track") if "track" in row else row
    album = at(track, "album")
    song = song_of(
        at(track, "title"),
        _joined(at(track, "artists")),
        album=at(album, "albumtitle") or at(album, "name") if isinstance(album, dict) else album,
        duration_ms=_ms("length", at(track, "length")),
    )
    ms_played = _ms("duration", row.get("duration"))
    yield play(from_epoch("time", row.get("time")), song, ms_played=ms_played, context={"client": row.get("origin")})


def _joined(artists: Any) -> Any:
    if not isinstance(artists, list):
        return artists
    return ", ".join(str(artist) for artist in artists)


def _ms(field: str, seconds: Any) -> int | None:
    return None if seconds is None else whole(field, seconds) * 1000


_SHAPES = (("time", "track.title", "track.artists"), ("time", "title", "artists"))

FORMATS = tuple(
    JsonFormat(
        name="Maloja", source="maloja-export", prefixes=("scrobbles.item", "list.item"), keys=keys, convert=_scrobble
    )
    for keys in _SHAPES
)
