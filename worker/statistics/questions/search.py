"""Find songs, artists and albums of a user by the beginning of a word, as names are compared."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Text, Uuid

from worker.contract.identity import loose_title
from worker.statistics import statements
from worker.statistics.questions.heard import places_of
from worker.statistics.questions.sources import UserListening
from worker.statistics.questions.subjects import Subject
from worker.statistics.questions.top import Place

# So many names are looked for at most: a word that begins more finds nothing that anyone looks through.
_MOST_NAMES: Final = 5_000
_AT_ONCE: Final = 1_000
_LIKE: Final = re.compile(r"[!%_]")

_Begins = Callable[[str], bool]


@dataclass(frozen=True)
class Found:
    """Each by listens, most first. `is_cut` if the word begins so many names that some were left out."""

    artists: Sequence[Place]
    albums: Sequence[Place]
    songs: Sequence[Place]
    is_cut: bool


def search(listening: UserListening, text: str, *, most: int) -> Found:
    """At most `most` artists, albums and songs that the user played, in whose name a word begins with the text.

    Upper and lower case, widths and spaces make no difference, as in `loose_title`. An empty text finds nothing.
    Costs a look at each name in the catalogue, and at each day of those that match.
    """
    identities = _matching(listening, loose_title(text))
    places = {
        subject: places_of(listening, subject, found[:_MOST_NAMES], most=most) if found else []
        for subject, found in identities.items()
    }
    return Found(
        artists=places[Subject.ARTIST],
        albums=places[Subject.ALBUM],
        songs=places[Subject.SONG],
        is_cut=any(len(found) > _MOST_NAMES for found in identities.values()),
    )


def _beginning(wanted: str) -> _Begins:
    """Whether a word of a name begins with the wanted text."""

    def begins(name: str) -> bool:
        return f" {wanted}" in f" {loose_title(name)}"

    return begins


def _matching(listening: UserListening, wanted: str) -> Mapping[Subject, Sequence[UUID]]:
    """The identities of the names of each subject, one more than `_MOST_NAMES` at most."""
    found: dict[Subject, dict[UUID, None]] = {subject: {} for subject in Subject}
    if wanted:
        begins = _beginning(wanted)
        # Spaces within a name may be several.
        pattern = "%".join(["", *(_LIKE.sub(r"!\g<0>", word) for word in wanted.split()), ""]).replace("%", "% ", 1)
        names = statements.bound(listening.connection, "names_like", pattern=pattern)
        rows = listening.connection.execute(
            names.columns(subject=Text, identity=Uuid, name=Text), execution_options={"yield_per": _AT_ONCE}
        )
        for subject, identity, name in rows:
            if len(found[Subject(subject)]) <= _MOST_NAMES and begins(name):
                found[Subject(subject)][identity] = None
    return {subject: list(identities) for subject, identities in found.items()}
