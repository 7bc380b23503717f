"""Read Spotify's exports: account data (a year, to the minute), extended history (all, to the second), library."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from worker.errors import InvalidEventError, NoSongError
from worker.importers.format import CsvFormat, JsonFormat
from worker.importers.rows import Fields, Notes, favorite_event, play_event, song_fields
from worker.importers.times import UNDATED, from_epoch, start_time, whole

_SOURCE: Final = "spotify-export"
_EXTENDED: Final = "Spotify extended streaming history"
_ACCOUNT: Final = "Spotify account data"


def _account(row: Fields, _: Notes) -> Iterator[Fields]:
    # `endTime` is when listening ended, in UTC, cut to the minute.
    ms_played = whole(row.get("msPlayed"))
    song = song_fields(row.get("trackName"), row.get("artistName"))
    end = row.get("endTime")
    yield play_event(start_time("endTime", end, ms_played), song, ms_played=ms_played, told_time=end)


# Kept as context. Country and IP address are in the export too, and are left out on purpose.
_CONTEXT = ("platform", "shuffle", "skipped", "offline", "incognito_mode", "reason_start", "reason_end")
# By the field that a row of another kind has instead of a track's name.
_OTHER_KINDS: Final = {
    "episode_name": "podcast",
    "spotify_episode_uri": "podcast",
    "audiobook_title": "audiobook",
    "audiobook_uri": "audiobook",
}
_CUT_OFF: Final = "unexpected-exit"
# Of a player that reported at once, both times are of the same second.
_LATE: Final = timedelta(minutes=1)


def _extended(row: Fields, _: Notes) -> Iterator[Fields]:
    title, artist = row.get("master_metadata_track_name"), row.get("master_metadata_album_artist_name")
    if not title and not artist:
        raise NoSongError(next((kind for field, kind in _OTHER_KINDS.items() if row.get(field)), "nameless track"))
    song = song_fields(
        title,
        artist,
        album=row.get("master_metadata_album_album_name"),
        ids={"spotify": row.get("spotify_track_uri")},
        album_artist=artist,
    )
    ms_played = whole(row.get("ms_played"))
    context = {name: row.get(name) for name in _CONTEXT}
    yield play_event(_began_at(row, ms_played), song, ms_played=ms_played, context=context)


def _began_at(row: Fields, ms_played: Any) -> str:
    """When the play began: `ms_played` before `ts`.

    A player that was killed reports the play when it runs again, so its `ts` may be days late. `offline_timestamp` is
    when the play began.
    """
    by_end = start_time("ts", row.get("ts"), ms_played)
    if row.get("reason_end") != _CUT_OFF or not row.get("offline_timestamp"):
        return by_end
    try:
        by_player = start_time("offline_timestamp", from_epoch("", row.get("offline_timestamp")), None)
    except InvalidEventError:
        return by_end
    is_late = datetime.fromisoformat(by_end) - datetime.fromisoformat(by_player) > _LATE
    return by_player if is_late and by_player > UNDATED else by_end


def _extended_cells(row: Fields, notes: Notes) -> Iterator[Fields]:
    """A row of a table that somebody made of the export: its truth values are words."""
    truth = {"true": True, "false": False}
    return _extended({name: truth.get(cell.lower(), cell) for name, cell in row.items()}, notes)


def _library(row: Fields, _: Notes) -> Iterator[Fields]:
    song = song_fields(row.get("track"), row.get("artist"), album=row.get("album"), ids={"spotify": row.get("uri")})
    yield favorite_event(UNDATED, song)


def _no_song(kind: str) -> Callable[[Fields, Notes], Iterator[Fields]]:
    def convert(_: Fields, __: Notes) -> Iterator[Fields]:
        raise NoSongError(kind)

    return convert


def _left_out(name: str, prefix: str, keys: tuple[str, ...], kind: str) -> JsonFormat:
    return JsonFormat(name=name, source=_SOURCE, prefixes=(prefix,), keys=keys, convert=_no_song(kind))


FORMATS = (
    JsonFormat(
        name=_ACCOUNT,
        source=_SOURCE,
        prefixes=("item",),
        keys=("endTime", "artistName", "trackName", "msPlayed"),
        convert=_account,
    ),
    JsonFormat(
        name=_EXTENDED,
        source=_SOURCE,
        prefixes=("item",),
        keys=("ts", "ms_played", "master_metadata_track_name"),
        convert=_extended,
    ),
    JsonFormat(
        name="Spotify library",
        source=_SOURCE,
        prefixes=("tracks.item",),
        keys=("artist", "track", "uri"),
        convert=_library,
    ),
    _left_out("Spotify podcasts", "item", ("endTime", "podcastName", "episodeName"), "podcast"),
    _left_out("Spotify audiobooks", "item", ("endTime", "audiobookName", "chapterName"), "audiobook"),
    _left_out("Spotify playlists", "playlists.item", ("name", "items"), "playlist"),
    CsvFormat(
        name=_ACCOUNT,
        source=_SOURCE,
        columns=("endTime", "artistName", "trackName", "msPlayed"),
        convert=_account,
    ),
    CsvFormat(
        name=_EXTENDED,
        source=_SOURCE,
        columns=("ts", "ms_played", "master_metadata_track_name", "master_metadata_album_artist_name"),
        convert=_extended_cells,
    ),
)
