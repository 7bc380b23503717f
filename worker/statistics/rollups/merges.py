"""What people have said to be one song or one artist: a forest, which is followed from each name to its root."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Row, select, update

from worker.contract.identity import artist_identity
from worker.models import Merge

SONG: Final = "song"
ARTIST: Final = "artist"


@dataclass(frozen=True)
class Merges:
    """All merges of songs, or of artists. `into` has the next identity of each, `names` the artists merged into.

    Of several spellings of such an artist the first in order stands.
    """

    into: Mapping[UUID, UUID] = field(default_factory=dict)
    names: Mapping[UUID, str] = field(default_factory=dict)

    def end(self, identity: UUID) -> UUID:
        """What the identity counts as: itself, if it is not merged."""
        while identity in self.into:
            identity = self.into[identity]
        return identity

    def with_merged(self, identities: Iterable[UUID]) -> set[UUID]:
        """These identities, and all that are merged into them, at once or in steps."""
        found = set(identities)
        while more := {each for each, into in self.into.items() if into in found and each not in found}:
            found |= more
        return found

    def artist(self, name: str) -> str:
        """The name of the artist that this one counts as: itself, if it is not merged."""
        return self.names.get(self.end(UUID(artist_identity(name))), name) if self.into else name


def merges_of(connection: Connection, subject: str) -> Merges:
    """Read all merges of a subject. People wrote them, so there are few."""
    rows = connection.execute(select(*Merge.__table__.c).where(Merge.subject == subject)).all()
    return _forest(rows)


def _forest(rows: Iterable[Row[tuple[object, ...]]]) -> Merges:
    into: dict[UUID, UUID] = {}
    names: dict[UUID, str] = {}
    for row in rows:
        into[row.identity] = row.into_identity
        if row.into_artist is not None:
            names[row.into_identity] = min(row.into_artist, names.get(row.into_identity, row.into_artist))
    return Merges(into, names)


def store_ends(connection: Connection, subject: str) -> Merges:
    """Store what each identity counts as now, for recorders, which follow one step. Returns the merges."""
    rows = connection.execute(select(*Merge.__table__.c).where(Merge.subject == subject)).all()
    merges = _forest(rows)
    for row in rows:
        if (end := merges.end(row.into_identity)) != row.counts_as_identity:
            of_row = update(Merge).where(Merge.subject == subject, Merge.identity == row.identity)
            connection.execute(of_row.values(counts_as_identity=end))
    return merges
