"""Read Last.fm's API pages as backup tools save them: user.getRecentTracks and user.getLovedTracks."""

from collections.abc import Iterator

from worker.contract.identity import song_identity
from worker.errors import NoSongError
from worker.importers.format import JsonFormat
from worker.importers.rows import Fields, Notes, favorite_event, play_event, song_fields, value_at
from worker.importers.times import UNDATED, from_epoch


def _track(row: Fields, notes: Notes) -> Iterator[Fields]:
    if value_at(row, "@attr", "nowplaying"):
        raise NoSongError("now-playing track")
    # `#text`, but `name` in pages requested with extended=1.
    artist = value_at(row, "artist", "#text") or value_at(row, "artist", "name")
    song = song_fields(row.get("name"), artist, album=value_at(row, "album", "#text"), ids={"mbid": row.get("mbid")})
    time = from_epoch("date.uts", value_at(row, "date", "uts"))
    if "album" not in row:
        # A scrobble always has an album, even an empty one; a loved track never has.
        yield favorite_event(time, song)
        return
    yield play_event(time, song)
    if str(row.get("loved")) == "1":
        yield from _loved(song, notes)


def _loved(song: Fields, notes: Notes) -> Iterator[Fields]:
    """A favorite without a time, once. The page marks the song as loved at each of its plays."""
    identity = song_identity(str(song.get("artist")), str(song.get("title")))
    if identity not in notes.favorites:
        notes.favorites.add(identity)
        yield favorite_event(UNDATED, song)


_METHODS = ("recenttracks", "lovedtracks")
# One page, several pages in an array or one after another, or only their tracks.
_PREFIXES = (*(f"{start}{method}." for start in ("", "item.") for method in _METHODS), "item.", "")

FORMATS = (
    JsonFormat(
        name="Last.fm pages",
        source="lastfm-export",
        prefixes=(*(f"{prefix}track.item" for prefix in _PREFIXES), "item.item", "item"),
        keys=("name", "artist", "date.uts"),
        user=tuple(f"{prefix}@attr.user" for prefix in _PREFIXES),
        convert=_track,
    ),
)
