"""How many listens name an album: without most of them, top albums would say little."""

from dataclasses import dataclass

from sqlalchemy import select, union_all

from worker.models import Track
from worker.statistics.periods import Span
from worker.statistics.questions.sources import Listening
from worker.statistics.questions.subjects import Subject
from worker.statistics.sql import total


@dataclass(frozen=True)
class NamedAlbums:
    """The listens of a span, and those of which a client named the album."""

    listens: int
    named: int


def named_albums(listening: Listening, span: Span) -> NamedAlbums:
    """How many listens of a span are of tracks with an album. Costs a look at sums, and at each track of other days."""
    rollups = listening.rollups(span.first, span.last)
    summed, rest = rollups.filed(Subject.ALBUM)
    # A track is on one album at most. Sums hold those of tracks with one only.
    named = [select(total(part.c.listens).label("listens")) for part in summed]
    for rows in rest:
        track = select(rows.c.track_id, total(rows.c.listens).label("listens")).group_by(rows.c.track_id).subquery().c
        of_album = select(total(track.listens).label("listens")).join(Track, Track.id == track.track_id)
        named.append(of_album.where(Track.album_identity.is_not(None)))
    each = union_all(*named).subquery().c
    listens = select(total(rollups.days.c.listens)).scalar_subquery()
    row = listening.connection.execute(select(listens, total(each.listens))).one()
    return NamedAlbums(*row)
