"""How many listens name an album: without most of them, top albums would say little."""

from dataclasses import dataclass

from sqlalchemy import case, select, union_all

from worker.models import Track
from worker.statistics.periods import Span
from worker.statistics.questions.sources import Listening
from worker.statistics.sql import total


@dataclass(frozen=True)
class NamedAlbums:
    """The listens of a span, and those of which a client named the album."""

    listens: int
    named: int


def named_albums(listening: Listening, span: Span) -> NamedAlbums:
    """How many listens of a span are of tracks with an album. Costs a look at each track of each day."""
    tracks = [
        select(rows.c.track_id, total(rows.c.listens).label("listens")).group_by(rows.c.track_id)
        for rows in listening.rollups(span.first, span.last).songs
    ]
    track = union_all(*tracks).subquery().c
    named = case((Track.album_identity.is_not(None), track.listens), else_=0)
    row = listening.connection.execute(
        select(total(track.listens), total(named)).outerjoin(Track, Track.id == track.track_id)
    ).one()
    return NamedAlbums(*row)
