"""The longest run of one song: how often it was heard with no other song in between."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import case, func, select

from worker.models import Song
from worker.statistics.periods import Span
from worker.statistics.questions.listens import listens_by_day, listens_of
from worker.statistics.questions.sources import UserListening
from worker.statistics.sql import total

_LEAST: Final = 2


@dataclass(frozen=True)
class Run:
    """Listens of one song from the local day `first` to `last`, with no listen of another song in between."""

    artist: str
    title: str
    listens: int
    first: date
    last: date
    ms_played: int


def longest_run(listening: UserListening, span: Span) -> Run | None:
    """The longest run of a span, of equally long ones the first; None if no song was heard twice in a row.

    A play that is no listen neither counts nor ends a run. Costs a look at each play in the span.
    """
    by_day = listens_by_day(listening, span)
    if not by_day:
        return None
    listen = listens_of(listening, [day for day, _ in by_day]).c
    order = (listen.played_at, listen.song_id)
    before = func.lag(listen.song_id).over(order_by=order)
    begins = case((before == listen.song_id, 0), else_=1).label("begins")
    each = select(listen.song_id, listen.day, listen.played_at, listen.ms_played, begins).subquery().c
    run = func.sum(each.begins).over(order_by=(each.played_at, each.song_id)).label("run")
    numbered = select(each.song_id, each.day, each.played_at, each.ms_played, run).subquery().c
    listens = func.count()
    longest = (
        select(
            numbered.song_id, listens.label("listens"), func.min(numbered.day).label("first"),
            func.max(numbered.day).label("last"), total(numbered.ms_played).label("ms_played"),
        )
        .group_by(numbered.run, numbered.song_id)
        .having(listens >= _LEAST)
        .order_by(listens.desc(), func.min(numbered.played_at), numbered.song_id)
        .limit(1)
        .subquery()
    )  # fmt: skip
    columns = (longest.c.listens, longest.c.first, longest.c.last, longest.c.ms_played)
    row = listening.connection.execute(
        select(Song.artist, Song.title, *columns).join(longest, longest.c.song_id == Song.id)
    ).one_or_none()
    return None if row is None else Run(*row)
