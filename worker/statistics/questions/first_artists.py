"""The first artist of each part of a span: of each month of a year, of each day of a month."""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from worker.statistics.questions.artist_parts import ArtistPart
from worker.statistics.questions.sources import UserListening
from worker.statistics.questions.subjects import Subject, names_of
from worker.statistics.questions.top import Place


def first_artists(listening: UserListening, parts: Sequence[ArtistPart]) -> Mapping[date, Place]:
    """The first artist of each part by its first day, as `rank` has it. Costs a look-up of each of their names."""
    first: dict[date, ArtistPart] = {}
    for part in parts:
        if part.starts_on not in first or _order(part) < _order(first[part.starts_on]):
            first[part.starts_on] = part
    names = names_of(listening.connection, Subject.ARTIST, {part.artist for part in first.values()})

    def place(part: ArtistPart) -> Place:
        name = names[part.artist]
        return Place(1, name.artist, None, part.plays, part.listens, part.ms_played, 1, name.identity)

    return {starts_on: place(part) for starts_on, part in first.items()}


def _order(part: ArtistPart) -> tuple[int, int, int, int, UUID | None]:
    return -part.listens, -part.plays, -part.ms_played, -part.last.toordinal(), part.artist.filed_under
