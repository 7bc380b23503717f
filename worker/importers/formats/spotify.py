"""Read Spotify's exports: account data (a year, to the minute), extended history (all, to the second), library."""

from collections.abc import Iterator

from worker.errors import NoSongError
from worker.importers.format import JsonFormat
from worker.importers.rows import Fields, Notes, favorite_event, play_event, song_fields
from worker.importers.times import UNDATED, start_time, whole_number


def _account(row: Fields, _: Notes) -> Iterator[Fields]:
    # `endTime` is when listening ended, in UTC, cut to the minute.
    started_at = start_time("endTime", row.get("endTime"), row.get("msPlayed"))
    song = song_fields(row.get("trackName"), row.get("artistName"))
    yield play_event(started_at, song, ms_played=whole_number("msPlayed", row.get("msPlayed")))


# Kept as context. Country and IP address are in the export too, and are left out on purpose.
_CONTEXT = ("platform", "shuffle", "skipped", "offline", "incognito_mode", "reason_start", "reason_end")


def _extended(row: Fields, _: Notes) -> Iterator[Fields]:
    title, artist = row.get("master_metadata_track_name"), row.get("master_metadata_album_artist_name")
    if title is None and artist is None:
        raise NoSongError("a podcast, an audiobook, or a track without a name")
    song = song_fields(
        title,
        artist,
        album=row.get("master_metadata_album_album_name"),
        ids={"spotify": row.get("spotify_track_uri")},
    )
    ms_played = whole_number("ms_played", row.get("ms_played"))
    context = {name: row.get(name) for name in _CONTEXT}
    yield play_event(start_time("ts", row.get("ts"), ms_played), song, ms_played=ms_played, context=context)


def _library(row: Fields, _: Notes) -> Iterator[Fields]:
    song = song_fields(row.get("track"), row.get("artist"), album=row.get("album"), ids={"spotify": row.get("uri")})
    yield favorite_event(UNDATED, song)


FORMATS = (
    JsonFormat(
        name="Spotify account data",
        source="spotify-export",
        prefixes=("item",),
        keys=("endTime", "artistName", "trackName", "msPlayed"),
        convert=_account,
    ),
    JsonFormat(
        name="Spotify extended streaming history",
        source="spotify-export",
        prefixes=("item",),
        keys=("ts", "ms_played", "master_metadata_track_name"),
        convert=_extended,
    ),
    JsonFormat(
        name="Spotify library",
        source="spotify-export",
        prefixes=("tracks.item",),
        keys=("artist", "track", "uri"),
        convert=_library,
    ),
)
