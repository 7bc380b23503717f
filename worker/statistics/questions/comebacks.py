"""Comebacks: artists and songs that a user had not heard for half a year, and then often."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, Subquery, func, select

from worker.statistics.periods import ONE_DAY, Span
from worker.statistics.questions.artist_parts import ArtistPart, artist_parts, month_of
from worker.statistics.questions.sources import RollupRows, UserListening
from worker.statistics.questions.subjects import Filed, Subject, filed, names_of
from worker.statistics.sql import grouped, total

AWAY_DAYS: Final = 180
OFTEN: Final = 10

_Rows = Select[*tuple[Any, ...]]


@dataclass(frozen=True)
class Comeback:
    """An artist, or a song if `title` is there, last heard on `away_since` and again on `back_on`.

    `listens` are those from `back_on` to the end of the span.
    """

    artist: str
    title: str | None
    away_since: date
    back_on: date
    listens: int

    @property
    def days_away(self) -> int:
        return (self.back_on - self.away_since) // ONE_DAY


class _Heard(NamedTuple):
    """The listens of a subject in a part of the span, with their first and last day. A part is a month or shorter."""

    subject: Filed
    first: date
    last: date
    listens: int


class _Back(NamedTuple):
    listens: int
    away_since: date
    back_on: date
    subject: Filed


def artist_comebacks(
    listening: UserListening, span: Span, *, most: int, parts: Sequence[ArtistPart] | None = None
) -> Sequence[Comeback]:
    """The first `most` artists by listens who came back in a span, `AWAY_DAYS` after their last listen or later.

    An artist who came back twice is there with the first time. They have at least `OFTEN` listens. `parts` are those of
    the span, where they were asked for already.
    Costs a look at each track of each day of the span, and at the sums or the days of all time before.
    """
    found = artist_parts(listening, span) if parts is None else parts
    heard = [_Heard(part.artist, part.first, part.last, part.listens) for part in found]
    return _named(listening, Subject.ARTIST, _backs(heard, _artists_before(listening, span)), most)


def song_comebacks(listening: UserListening, span: Span, *, most: int) -> Sequence[Comeback]:
    """The songs that came back, as `artist_comebacks`. Costs a look at the days of songs with `OFTEN` listens."""
    rollups = listening.rollups(span.first, span.last)
    often = _heard_often(rollups)
    parts = [_months(rows, often) for rows in rollups.songs]
    rows = listening.connection.execute(grouped(parts, _summed))
    heard = [_Heard(Filed(None, song_id), *rest) for song_id, _, *rest in rows]
    return _named(listening, Subject.SONG, _backs(heard, _songs_before(listening, span, often)), most)


def _backs(heard: Sequence[_Heard], last_before: Mapping[Any, date]) -> Sequence[_Back]:
    """The first comeback of each subject. A part is shorter than the time away, so only its ends count."""
    parts = defaultdict[Any, list[_Heard]](list)
    for part in heard:
        parts[part.subject.key].append(part)
    found: list[_Back] = []
    for key, of_subject in parts.items():
        of_subject.sort(key=lambda part: part.first)
        last = last_before.get(key, of_subject[0].first)
        for number, part in enumerate(of_subject):
            if (part.first - last) // ONE_DAY >= AWAY_DAYS:
                found.append(
                    _Back(sum(each.listens for each in of_subject[number:]), last, part.first, _least(of_subject))
                )
                break
            last = part.last
    return [back for back in found if back.listens >= OFTEN]


def _least(of_subject: Sequence[_Heard]) -> Filed:
    """What names a subject: the song or track that was recorded first."""
    songs, tracks = zip(*(part.subject[1:] for part in of_subject), strict=True)
    return Filed(
        of_subject[0].subject.filed_under,
        min((song for song in songs if song is not None), default=None),
        min((track for track in tracks if track is not None), default=None),
    )


def _named(listening: UserListening, subject: Subject, backs: Sequence[_Back], most: int) -> Sequence[Comeback]:
    """The first by listens, then those that were away longest, then by identity."""
    ordered = sorted(backs, key=_order)
    # Identities come with the names, so all that are even with the last one get theirs.
    even = [back for back in ordered if _order(back) <= _order(ordered[:most][-1])]
    names = names_of(listening.connection, subject, [back.subject for back in even])
    even.sort(key=lambda back: (*_order(back), names[back.subject].identity))
    return [
        Comeback(names[back.subject].artist, names[back.subject].title, back.away_since, back.back_on, back.listens)
        for back in even[:most]
    ]


def _order(back: _Back) -> tuple[int, date]:
    return -back.listens, back.away_since


def _artists_before(listening: UserListening, span: Span) -> Mapping[Any, date]:
    """The latest day before the span on which the user listened to each artist."""
    if span.first == date.min:
        return {}
    summed, rest = listening.rollups(date.min, span.first - ONE_DAY).filed(Subject.ARTIST)
    parts = [*summed, *(filed(_tracks(rows), Subject.ARTIST).subquery() for rows in rest)]
    return _latest(listening, [_heard_on(part, part.c.filed_under) for part in parts])


def _songs_before(listening: UserListening, span: Span, often: Select[int]) -> Mapping[Any, date]:
    """The latest day before the span on which the user listened to each of some songs."""
    if span.first == date.min:
        return {}
    summed, rest = listening.rollups(date.min, span.first - ONE_DAY).filed(Subject.SONG)
    parts = [
        *(_heard_on(part, part.c.named_song_id) for part in summed),
        *(_heard_on(part, part.c.song_id) for part in rest),
    ]
    return _latest(listening, [select(part).where(part.c.key.in_(often)).subquery() for part in parts])


def _tracks(rows: Subquery) -> Subquery:
    """The latest day of each track, so that few rows are joined to their artists."""
    key = (rows.c.song_id, rows.c.track_id)
    latest, listens = func.max(rows.c.day).label("day"), total(rows.c.listens).label("listens")
    return select(*key, latest, listens).where(rows.c.listens > 0).group_by(*key).subquery()


def _heard_on(rows: Subquery, key: Any) -> Subquery:
    return select(key.label("key"), rows.c.day).where(rows.c.listens > 0).subquery()


def _latest(listening: UserListening, parts: Sequence[Subquery]) -> Mapping[Any, date]:
    def latest(rows: Subquery) -> _Rows:
        return select(rows.c.key, func.max(rows.c.day).label("day")).group_by(rows.c.key)

    return {row.key: row.day for row in listening.connection.execute(grouped(parts, latest))}


def _heard_often(rollups: RollupRows) -> Select[int]:
    """The ids of songs with `OFTEN` listens, without which nothing is a comeback."""
    summed, rest = rollups.filed(Subject.SONG)
    songs = [(part.c.named_song_id, part.c.listens) for part in summed] + [
        (part.c.song_id, part.c.listens) for part in rest
    ]
    parts = [select(song.label("song_id"), listens.label("listens")).subquery() for song, listens in songs]

    def add_up(rows: Subquery) -> _Rows:
        return select(rows.c.song_id, func.sum(rows.c.listens).label("listens")).group_by(rows.c.song_id)

    song = grouped(parts, add_up).subquery()
    return select(select(song.c.song_id).where(song.c.listens >= OFTEN).cte("heard_often"))


def _months(rows: Subquery, often: Select[int]) -> Subquery:
    """The listens of some songs, each with its month."""
    day = rows.c.day
    columns = (rows.c.song_id, month_of(day).label("month"), day.label("first"), day.label("last"), rows.c.listens)
    return select(*columns).where(rows.c.listens > 0, rows.c.song_id.in_(often)).subquery()


def _summed(rows: Subquery) -> _Rows:
    key = (rows.c.song_id, rows.c.month)
    ends = func.min(rows.c.first).label("first"), func.max(rows.c.last).label("last")
    return select(*key, *ends, total(rows.c.listens).label("listens")).group_by(*key)
