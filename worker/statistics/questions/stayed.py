"""Discoveries that stayed: songs that were heard again a month after their first listen, or later."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from worker.statistics.periods import ONE_DAY, Span
from worker.statistics.questions.first_heard import FirstHeard, first_heard
from worker.statistics.questions.sources import UserListening
from worker.statistics.questions.subjects import Filed, Subject, names_of

STAY_DAYS: Final = 30


@dataclass(frozen=True)
class Stayed:
    """A discovery with its first and its latest day, and its listens up to the end of the span."""

    artist: str
    title: str
    first: date
    last: date
    listens: int


@dataclass(frozen=True)
class StayedDiscoveries:
    """How many discoveries of a span stayed, and those heard most often."""

    number: int
    songs: Sequence[Stayed]


def stayed_discoveries(
    listening: UserListening, span: Span, *, most: int, found: Sequence[FirstHeard] | None = None
) -> StayedDiscoveries:
    """The discoveries of a span that were heard again in it, `STAY_DAYS` later or after: the first `most` by listens.

    Costs as much as `first_heard`, or nothing more than names if the answer of the span is passed as `found`.
    """
    heard = first_heard(listening, span) if found is None else found
    stayed = sorted((song for song in heard if (song.last - song.first) // ONE_DAY >= STAY_DAYS), key=_order)
    # Identities come with the names, so all that are even with the last one get theirs.
    even = [song for song in stayed if _order(song) <= _order(stayed[:most][-1])] if most else []
    names = names_of(listening.connection, Subject.SONG, [Filed(None, song.song_id) for song in even])
    named = [
        (*_order(song), names[key].identity, song, names[key])
        for song in even
        if (key := Filed(None, song.song_id)) in names
    ]
    named.sort(key=lambda each: each[:3])
    return StayedDiscoveries(
        len(stayed), [Stayed(name.artist, name.title, *song[1:]) for *_, song, name in named[:most]]
    )


def _order(song: FirstHeard) -> tuple[int, date]:
    return -song.listens, song.first
