"""Suggest songs that may be one: alike beyond typography, so that a person has to decide."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby, islice, pairwise
from typing import Final, NamedTuple
from unicodedata import category, normalize

from sqlalchemy import Connection, select

from worker.contract.identity import loose_title
from worker.models import Song

_AT_ONCE: Final = 10_000
# Below that, titles of one word and its plural are near, and so are most short titles.
_NEAR: Final = 0.85
_LONG_ENOUGH: Final = 6

_GUEST: Final = r"(?:feat|ft|featuring|with)\b\.?.*"
# What does not make another recording. A live version, a remix and a demo do.
_EDITION: Final = (
    r"(?:\d{4}\W*)?(?:(?:digital(?:ly)?|super|bonus|album|single|radio|original|expanded|deluxe|anniversary|mono|stereo"
    r"|clean|explicit|the|\d+(?:st|nd|rd|th)?)\s+)*"
    r"(?:remaster(?:ed)?|version|edit|edition|mix|mono|stereo|deluxe|bonus(?:\s+track)?|clean|explicit)(?:\W*\d{4})?"
)
_BRACKETED: Final = re.compile(rf"\s*[(\[]\s*(?:(?P<guest>{_GUEST[:-2]}[^)\]]*)|{_EDITION})\s*[)\]]")
_AT_THE_END: Final = re.compile(rf"\s+-\s+{_EDITION}$")
_FEATURING: Final = re.compile(r"\s+(?:feat|ft|featuring)\b\.?\s.*$")
_NUMBER: Final = re.compile(r"\d+|\b[ivxlc]+\b")


@dataclass(frozen=True)
class Suggestion:
    """A song that may be the same as an older one, and why."""

    song_id: int
    artist: str
    title: str
    into_id: int
    into_artist: str
    into_title: str
    why: str


class _Song(NamedTuple):
    """A song with the rough forms of its names. `reasons` say what these leave out."""

    id: int
    artist: str
    title: str
    rough_artist: str
    rough_title: str
    numbers: tuple[str, ...]
    reasons: frozenset[str]


def suggest(connection: Connection, *, most: int, artist: str | None = None) -> list[Suggestion]:
    """The first `most` suggestions, by artist. Twins and merged songs are one already, and are not among them.

    Reads the names of all songs, or of those of an artist and guests, and keeps them in memory: about 400 bytes each.
    """
    songs = sorted(_songs(connection, artist), key=lambda each: (each.rough_artist, each.rough_title, each.id))
    return list(islice(_pairs(songs), most))


def _songs(connection: Connection, artist: str | None) -> Iterator[_Song]:
    wanted = None if artist is None else _rough(artist)[0]
    rows = connection.execute(
        select(Song.id, Song.artist, Song.title)
        .where(Song.counts_as_id.is_(None))
        .execution_options(yield_per=_AT_ONCE)
    )
    for song_id, its_artist, title in rows:
        rough_artist, artist_reasons = _rough(its_artist)
        if wanted is None or rough_artist == wanted:
            rough_title, reasons = _rough(title)
            numbers = tuple(_NUMBER.findall(loose_title(title)))
            yield _Song(song_id, its_artist, title, rough_artist, rough_title, numbers, artist_reasons | reasons)


def _pairs(songs: Iterable[_Song]) -> Iterator[Suggestion]:
    """Each song with the oldest one of the same rough names, and neighbours in the alphabet that nearly have them."""
    for _, of_artist in groupby(songs, lambda each: each.rough_artist):
        heads: list[_Song] = []
        for _, alike in groupby(of_artist, lambda each: each.rough_title):
            head, *others = alike
            heads.append(head)
            for other in others:
                yield _suggestion(other, head, _why(other, head))
        for one, other in pairwise(heads):
            if _is_near(one, other):
                older, newer = sorted((one, other))
                yield _suggestion(newer, older, "the titles are nearly the same")


def _suggestion(song: _Song, into: _Song, why: str) -> Suggestion:
    return Suggestion(song.id, song.artist, song.title, into.id, into.artist, into.title, why)


def _why(one: _Song, other: _Song) -> str:
    reasons = sorted(one.reasons ^ other.reasons) or sorted(one.reasons)
    return "; ".join(reasons) if reasons else "they differ in accents, punctuation or spaces only"


def _rough(name: str) -> tuple[str, frozenset[str]]:
    """The name without guests, editions, accents, punctuation and spaces, and which of the first two it had."""
    loose, reasons = loose_title(name), set[str]()
    for pattern, reason in (
        (_BRACKETED, "one names an edition in brackets"),
        (_AT_THE_END, "one names an edition at the end"),
        (_FEATURING, "one names a guest"),
    ):
        without = pattern.sub("", loose)
        if without != loose and without:
            guest = pattern is _BRACKETED and any(found["guest"] for found in pattern.finditer(loose))
            reasons.add("one names a guest" if guest else reason)
            loose = without
    plain = "".join(letter for letter in normalize("NFKD", loose) if category(letter)[0] in "LN")
    return plain or loose, frozenset(reasons)


def _is_near(one: _Song, other: _Song) -> bool:
    """Whether one may be the other mistyped. Parts of a work differ in their numbers, and are not."""
    titles = one.rough_title, other.rough_title
    if min(map(len, titles)) < _LONG_ENOUGH or one.numbers != other.numbers:
        return False
    return SequenceMatcher(None, *titles, autojunk=False).ratio() >= _NEAR
