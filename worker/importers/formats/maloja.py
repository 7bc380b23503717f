"""Read Maloja's export (`maloja export`) and its API's answer."""

from collections.abc import Iterator

from worker.importers.format import JsonFormat
from worker.importers.rows import Fields, Notes, joined, play_event, song_fields, value_at
from worker.importers.times import from_epoch, whole


def _scrobble(row: Fields, _: Notes) -> Iterator[Fields]:
    # Before Maloja 3 the scrobble itself had the track's fields.
    track = row.get("track") if "track" in row else row
    album, artists = value_at(track, "album"), value_at(track, "artists")
    song = song_fields(
        value_at(track, "title"),
        joined(artists),
        album=value_at(album, "albumtitle") or value_at(album, "name") if isinstance(album, dict) else album,
        duration_ms=whole(value_at(track, "length"), times=1000),
        artists=artists if isinstance(artists, list) else None,
        # None of a compilation, for which Maloja shows no artist of its own.
        album_artist=joined(value_at(album, "artists")),
    )
    ms_played = whole(row.get("duration"), times=1000)
    yield play_event(
        from_epoch("time", row.get("time")), song, ms_played=ms_played, context={"client": row.get("origin")}
    )


_KEYS = (("time", "track.title", "track.artists"), ("time", "title", "artists"))

FORMATS = tuple(
    JsonFormat(
        name="Maloja", source="maloja-export", prefixes=("scrobbles.item", "list.item"), keys=keys, convert=_scrobble
    )
    for keys in _KEYS
)
