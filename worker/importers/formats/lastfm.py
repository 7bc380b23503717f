"""Last.fm's API pages as the backup tools save them: scrobbles (user.getRecentTracks) and user.getLovedTracks."""

from collections.abc import Iterator

from worker.contract.identity import song_identity
from worker.errors import NoSongError
from worker.importers.format import JsonFormat
from worker.importers.rows import Fields, Notes, at, favorite, play, song_of
from worker.importers.times import UNDATED, from_epoch


def _track(row: Fields, notes: Notes) -> Iterator[Fields]:
    if at(row, "@attr", "nowplaying"):
        raise NoSongError("playing now, so not yet a play")
    # `#text`, but `name` in the pages that were asked for with extended=1.
    artist = at(row, "artist", "#text") or at(row, "artist", "name")
    song = song_of(row.get("name"), artist, album=at(row, "album", "#text"), ids={"mbid": row.get("mbid")})
    time = from_epoch("date.uts", at(row, "date", "uts"))
    if "album" not in row:
        # A scrobble always has one, be it empty; a loved track never does.
        yield favorite(time, song)
        return
    yield play(time, song)
    if str(row.get("loved")) == "1":
        yield from _loved(song, notes)


def _loved(song: Fields, notes: Notes) -> Iterator[Fields]:
    """The page says that the song is loved, not since when, and says so at each of its plays."""
    identity = song_identity(str(song.get("artist")), str(song.get("title")))
    if identity not in notes.favorites:
        notes.favorites.add(identity)
        yield favorite(UNDATED, song)


_METHODS = ("recenttracks", "lovedtracks")
# One page, several in an array or one after another, or only their tracks.
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
