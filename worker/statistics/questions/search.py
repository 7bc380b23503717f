"""Find songs, artists and albums of a user by the beginning of a word, as names are compared."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from worker.contract.identity import loose_title
from worker.models import Song, Track, TrackArtist
from worker.statistics.questions.sources import UserListening
from worker.statistics.questions.subjects import ALBUM_ARTIST, by_identity, by_track, rows_of
from worker.statistics.questions.top import Place, Subject
from worker.statistics.sql import grouped

# So many names are looked at: a word that begins more of them finds nothing that anyone looks through.
_MOST_NAMES: Final = 5_000
_AT_ONCE: Final = 1_000
_LIKE: Final = re.compile(r"[\\%_]")
# Only their canonical form can be compared, which no database computes.
_NOT_ASCII: Final = "[^\\x01-\\x7f]"

# Identity, artist and title of what may be found, and the name that is searched.
_Names = tuple[Select[*tuple[Any, ...]], InstrumentedAttribute[Any]]
_NAMES: Final[Mapping[Subject, Sequence[_Names]]] = {
    Subject.ARTIST: (
        (select(Song.artist_identity, Song.artist, Song.artist).where(Song.artist_identity.is_not(None)), Song.artist),
        (select(TrackArtist.artist_identity, TrackArtist.name, TrackArtist.name), TrackArtist.name),
    ),
    Subject.ALBUM: (
        (
            select(Track.album_identity, ALBUM_ARTIST, Track.album)
            .join(Song, Song.id == Track.song_id)
            .where(Track.album_identity.is_not(None)),
            Track.album,
        ),
    ),
    Subject.SONG: ((select(Song.identity, Song.artist, Song.title), Song.title),),
}


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
    wanted = loose_title(text)
    names = {subject: _matching(listening, subject, wanted) for subject in Subject}
    return Found(
        artists=_ranked(listening, Subject.ARTIST, names[Subject.ARTIST], most),
        albums=_ranked(listening, Subject.ALBUM, names[Subject.ALBUM], most),
        songs=_ranked(listening, Subject.SONG, names[Subject.SONG], most),
        is_cut=any(len(each) > _MOST_NAMES for each in names.values()),
    )


def _matching(listening: UserListening, subject: Subject, wanted: str) -> Mapping[UUID, tuple[str, str]]:
    """Artist and title of what matches by identity, one more than `_MOST_NAMES` at most."""
    begins = _beginning(wanted)
    found: dict[UUID, tuple[str, str]] = {}
    for names, name in _NAMES[subject] if wanted else ():
        rows = listening.connection.execute(
            names.where(or_(*_may_begin(name, wanted))).execution_options(yield_per=_AT_ONCE)
        )
        matching = ((identity, (artist, title)) for identity, artist, title in rows if begins(title))
        for identity, named in islice(matching, _MOST_NAMES + 1):
            found.setdefault(identity, named)
    return found


def _beginning(wanted: str) -> Callable[[str], bool]:
    """Whether a word of a name begins with the wanted text."""

    def begins(name: str) -> bool:
        return f" {wanted}" in f" {loose_title(name)}"

    return begins


def _may_begin(name: InstrumentedAttribute[Any], wanted: str) -> Iterable[ColumnElement[bool]]:
    """Conditions that a matching name satisfies; some others do, too."""
    # Spaces within a name may be several.
    pattern = "%".join(["", *(_LIKE.sub(r"\\\g<0>", word) for word in wanted.split()), ""])
    yield name.ilike(pattern, escape="\\")
    yield name.regexp_match(_NOT_ASCII)


def _ranked(
    listening: UserListening, subject: Subject, names: Mapping[UUID, tuple[str, str]], most: int
) -> Sequence[Place]:
    """The first `most` by listens, plays, then time. A song that counts as another one is found under its name."""
    wanted = list(names)[:_MOST_NAMES]
    parts = [rows_of(rows, subject, wanted) for rows in listening.rollups(date.min, date.max).songs]
    sums = by_identity(grouped(parts, by_track).subquery(), subject).subquery().c
    ordered = select(*sums).order_by(sums.listens.desc(), sums.plays.desc(), sums.ms_played.desc(), sums.identity)
    if subject is not Subject.SONG:
        ordered = ordered.where(sums.identity.in_(wanted))
    rows = listening.connection.execute(ordered.limit(most)).all() if wanted else []
    missing = [identity for identity, *_ in rows if identity not in names]
    counting = select(Song.identity, Song.artist, Song.title).where(Song.identity.in_(missing))
    others = {identity: (artist, title) for identity, artist, title in listening.connection.execute(counting)}

    def named(identity: UUID) -> tuple[str, str | None]:
        artist, title = names.get(identity) or others[identity]
        return artist, None if subject is Subject.ARTIST else title

    return [
        Place(number, *named(identity), plays, listens, ms_played, 1, identity)
        for number, (identity, plays, listens, ms_played) in enumerate(rows, start=1)
    ]
