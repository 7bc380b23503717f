"""Read Koito's export. Each name in it is a list of aliases, one of which is primary."""

from collections.abc import Iterator
from typing import Any

from worker.importers.format import JsonFormat
from worker.importers.rows import Fields, Notes, joined, play_event, song_fields, value_at
from worker.importers.times import from_text, whole


def _listen(row: Fields, _: Notes) -> Iterator[Fields]:
    track, album = row.get("track"), row.get("album")
    artists = [name for artist in _list(row.get("artists")) if (name := _primary(value_at(artist, "aliases")))]
    song = song_fields(
        _primary(value_at(track, "aliases")),
        joined(artists),
        album=_primary(value_at(album, "aliases")),
        duration_ms=whole(value_at(track, "duration"), times=1000),
        ids={"mbid": value_at(track, "mbid")},
        artists=artists,
        album_artist="Various Artists" if value_at(album, "various_artists") is True else None,
    )
    time = from_text("listened_at", row.get("listened_at"))
    yield play_event(time, song, context={"client": row.get("client")})


def _primary(aliases: Any) -> Any:
    names = [value_at(alias, "alias") for alias in _list(aliases) if value_at(alias, "is_primary")]
    return names[0] if names else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


FORMATS = (
    JsonFormat(
        name="Koito",
        source="koito-export",
        prefixes=("listens.item",),
        keys=("listened_at", "track.aliases", "artists"),
        user=("user",),
        convert=_listen,
    ),
)
