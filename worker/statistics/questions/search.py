"""Find songs, artists and albums of a user by the beginning of a word, as names are compared."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select

from worker.contract.identity import loose_title
from worker.models import Song, Track, TrackArtist
from worker.statistics.questions.heard import places_of
from worker.statistics.questions.sources import UserListening
from worker.statistics.questions.subjects import Subject
from worker.statistics.questions.top import Place

# So many names are looked for at most: a word that begins more finds nothing that anyone looks through.
_MOST_NAMES: Final = 5_000
_AT_ONCE: Final = 1_000
_LIKE: Final = re.compile(r"[\\%_]")
# Only their canonical form can be compared, which no database computes.
_NOT_ASCII: Final = "[^\\x01-\\x7f]"
# Where the names of each subject stand, each with the identity that it is filed under.
_NAMES: Final[Mapping[Subject, Sequence[tuple[Any, Any]]]] = {
    Subject.ARTIST: (
        (Song.artist, func.coalesce(Song.artist_identity, Song.identity)),
        (TrackArtist.name, TrackArtist.artist_identity),
    ),
    Subject.ALBUM: ((Track.album, Track.album_identity),),
    Subject.SONG: ((Song.title, Song.identity),),
}

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
    identities = {subject: _matching(listening, subject, loose_title(text)) for subject in Subject}
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


def _matching(listening: UserListening, subject: Subject, wanted: str) -> Sequence[UUID]:
    """The identities of the names, one more than `_MOST_NAMES` at most."""
    if not wanted:
        return []
    begins, found = _beginning(wanted), dict[UUID, None]()
    for name, identity in _NAMES[subject]:
        names = select(name, identity).where(identity.is_not(None), or_(*_may_begin(name, wanted)))
        for each, filed_under in listening.connection.execute(names.execution_options(yield_per=_AT_ONCE)):
            if len(found) <= _MOST_NAMES and begins(each):
                found[filed_under] = None
    return list(found)


def _may_begin(name: Any, wanted: str) -> Iterable[ColumnElement[bool]]:
    """Conditions that a matching name satisfies; some others do, too."""
    # Spaces within a name may be several.
    pattern = "%".join(["", *(_LIKE.sub(r"\\\g<0>", word) for word in wanted.split()), ""])
    yield name.ilike(pattern, escape="\\")
    yield name.regexp_match(_NOT_ASCII)
