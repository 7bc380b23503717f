"""Find songs, artists and albums of a user by the beginning of a word, as names are compared."""

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any, Final

from sqlalchemy import Row, select

from worker.contract.identity import album_identity, artist_identity, canonical_title
from worker.statistics import statements
from worker.statistics.questions.sources import UserListening
from worker.statistics.questions.top import Place
from worker.statistics.sql import grouped, total

# So many songs are counted at most: a word that begins more names finds nothing that anyone looks through.
_MOST_SONGS: Final = 5_000
_AT_ONCE: Final = 1_000
_LIKE: Final = re.compile(r"[!%_]")
_SongRow = Row[Any]
_Begins = Callable[[str], bool]
_Sums = Mapping[int, tuple[int, int, int]]


@dataclass(frozen=True)
class Found:
    """Each by listens, most first. `is_cut` if the word begins so many names that some were left out."""

    artists: Sequence[Place]
    albums: Sequence[Place]
    songs: Sequence[Place]
    is_cut: bool


def search(listening: UserListening, text: str, *, most: int) -> Found:
    """At most `most` artists, albums and songs that the user played, in whose name a word begins with the text.

    Upper and lower case, widths and spaces make no difference, as in `canonical_title`. An empty text finds nothing.
    Costs a look at each song in the catalogue, and at each day of those that match.
    """
    begins = _beginning(canonical_title(text))
    songs = list(islice(_matching(listening, canonical_title(text), begins), _MOST_SONGS + 1))
    sums = _sums(listening, [song.id for song in songs[:_MOST_SONGS]])
    heard = [song for song in songs if song.id in sums]
    return Found(
        artists=_ranked([song for song in heard if begins(song.artist)], _artist, sums, most),
        albums=_ranked([song for song in heard if song.album and begins(song.album)], _album, sums, most),
        songs=_ranked([song for song in heard if begins(song.title)], _song, sums, most),
        is_cut=len(songs) > _MOST_SONGS,
    )


def _beginning(wanted: str) -> _Begins:
    """Whether a word of a name begins with the wanted text."""

    def begins(name: str) -> bool:
        return f" {wanted}" in f" {canonical_title(name)}"

    return begins


def _matching(listening: UserListening, wanted: str, begins: _Begins) -> Iterable[_SongRow]:
    if not wanted:
        return
    # Spaces within a name may be several.
    pattern = "%".join(["", *(_LIKE.sub(r"!\g<0>", word) for word in wanted.split()), ""])
    songs = statements.bound(listening.connection, "songs_like", pattern=pattern)
    for song in listening.connection.execute(songs, execution_options={"yield_per": _AT_ONCE}):
        if any(begins(name) for name in (song.artist, song.title, song.album) if name):
            yield song


def _sums(listening: UserListening, song_ids: Sequence[int]) -> _Sums:
    """Plays, listens and time of those songs that the user played."""
    parts = [
        select(rows).where(rows.c.song_id.in_(song_ids)).subquery()
        for rows in listening.rollups(date.min, date.max).songs
    ]
    names = ("plays", "listens", "ms_played")
    sums = grouped(
        parts,
        lambda rows: select(rows.c.song_id, *(total(rows.c[name]).label(name) for name in names)).group_by(
            rows.c.song_id
        ),
    )
    return {song_id: (plays, listens, ms) for song_id, plays, listens, ms in listening.connection.execute(sums)}


def _song(song: _SongRow) -> tuple[Hashable, str | None]:
    return song.id, song.title


def _artist(song: _SongRow) -> tuple[Hashable, str | None]:
    return artist_identity(song.artist), None


def _album(song: _SongRow) -> tuple[Hashable, str | None]:
    return album_identity(song.artist, song.album or ""), song.album


def _ranked(
    songs: Sequence[_SongRow], key: Callable[[_SongRow], tuple[Hashable, str | None]], sums: _Sums, most: int
) -> Sequence[Place]:
    """The first `most` groups, by listens, then plays, then age. A group has the names of its oldest song."""
    groups: dict[Hashable, tuple[str, str | None, list[int]]] = {}
    for song in songs:
        identity, title = key(song)
        _, _, added = groups.setdefault(identity, (song.artist, title, [0, 0, 0]))
        added[:] = [one + other for one, other in zip(added, sums[song.id], strict=True)]
    ranked = sorted(groups.values(), key=lambda group: (-group[2][1], -group[2][0]))[:most]
    return [
        Place(number, artist, title, plays, listens, ms_played, listeners=1)
        for number, (artist, title, (plays, listens, ms_played)) in enumerate(ranked, start=1)
    ]
