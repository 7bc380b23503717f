"""How many listens name an album: without most of them, top albums would say little."""

from dataclasses import dataclass

from sqlalchemy import case, select, union_all

from worker.models import Song
from worker.statistics.periods import Span
from worker.statistics.questions.sources import Listening
from worker.statistics.sql import total


@dataclass(frozen=True)
class NamedAlbums:
    """The listens of a span, and those of songs with a known album."""

    listens: int
    named: int


def named_albums(listening: Listening, span: Span) -> NamedAlbums:
    """How many listens of a span are of songs with a known album. Costs a look at each song of each day."""
    songs = [
        select(rows.c.song_id, total(rows.c.listens).label("listens")).group_by(rows.c.song_id)
        for rows in listening.rollups(span.first, span.last).songs
    ]
    song = union_all(*songs).subquery().c
    named = case((Song.album_identity.is_not(None), song.listens), else_=0)
    row = listening.connection.execute(
        select(total(song.listens), total(named)).join(Song, Song.id == song.song_id)
    ).one()
    return NamedAlbums(*row)
