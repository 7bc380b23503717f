"""Koito's export: names are lists of aliases, one of which is primary."""

from collections.abc import Iterator
from typing import Any

from worker.errors import InvalidEventError, Reason
from worker.importers.format import JsonFormat
from worker.importers.rows import Fields, Notes, at, play, song_of
from worker.importers.times import whole


def _listen(row: Fields, _: Notes) -> Iterator[Fields]:
    track, album = row.get("track"), row.get("album")
    duration = at(track, "duration")
    song = song_of(
        _primary(at(track, "aliases")),
        ", ".join(filter(None, (_primary(at(artist, "aliases")) for artist in _list(row.get("artists"))))),
        album=_primary(at(album, "aliases")),
        duration_ms=whole("duration", duration) * 1000 if duration else None,
        ids={"mbid": at(track, "mbid")},
    )
    listened_at = row.get("listened_at")
    if not isinstance(listened_at, str):
        raise InvalidEventError(Reason.WRONG_TYPE, "listened_at: must be a text")
    yield play(listened_at, song, context={"client": row.get("client")})


def _primary(aliases: Any) -> Any:
    names = [at(alias, "alias") for alias in _list(aliases) if at(alias, "is_primary")]
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
