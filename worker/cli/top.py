from collections.abc import Mapping, Sequence
from enum import StrEnum, unique
from typing import Annotated, Final, TypeAlias

import typer
from rich.bar import Bar
from rich.console import RenderableType
from rich.table import Table

from worker.cli.question import (
    Answer,
    AsCsv,
    At,
    From,
    InPeriod,
    Limit,
    MaybeUser,
    Question,
    To,
    When,
    open_question,
    span_name,
)
from worker.cli.terminal import AsJson, console, plain
from worker.report.wording import duration
from worker.statistics import By, Period, Place, Subject, rank
from worker.statistics import top as top_places
from worker.statistics.drawing import LENGTH
from worker.statistics.rollups.pending import has_one_listener, waiting_for_charts

_BAR: Final = 12
# What a table needs besides its cells: a line at the left edge, and a line and two blanks for each column.
_EDGE: Final = 1
_GAP: Final = 3
# The columns that a narrow window drops, in this order, to leave space for names, unless places are by them.
_DROPPED_FIRST: Final = ("", "time", "listeners", "plays")
# The space that most names need.
_NAME: Final = 15
# In a narrower window, rich cuts off numbers instead of names.
_LEAST_NAME: Final = 6

_Columns: TypeAlias = Mapping[str, Sequence[RenderableType]]


@unique
class Kind(StrEnum):
    """The subjects as arguments of the command."""

    SONGS = "songs"
    ARTISTS = "artists"
    ALBUMS = "albums"

    @property
    def subject(self) -> Subject:
        return Subject(self.removesuffix("s"))


WhatFor = Annotated[Kind, typer.Argument(metavar="songs|artists|albums", help="What to rank.")]
Everyone = Annotated[bool, typer.Option("--everyone", help="The chart for all users, up to an hour old.")]
RankedBy = Annotated[
    By, typer.Option("--by", help="What comes first. With --everyone, only charts by listens are kept ready.")
]


def top(
    kind: WhatFor,
    *,
    user: MaybeUser = None,
    everyone: Everyone = False,
    period: InPeriod = Period.ALL,
    at: At = None,
    by: RankedBy = By.LISTENS,
    from_: From = None,
    to: To = None,
    limit: Limit = 10,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Rank songs, artists or albums by listens, plays or time."""
    if (user is None) is not everyone:
        raise typer.BadParameter("choose whose listening: --user NAME, or --everyone")
    if everyone and by is By.LISTENS and limit > LENGTH:
        raise typer.BadParameter(f"charts for everyone are kept to place {LENGTH}: --limit {LENGTH} at most")
    with open_question(user, When(period, at, from_, to)) as question:
        # Charts for everyone are kept by period.
        ranked = rank if from_ or to else top_places
        places = ranked(question.listening, kind.subject, question.span, most=limit, by=by)
        Answer(
            facts=question.facts(),
            name=kind.value,
            columns=("place", "title", "artist", "listens", "plays", "ms_played", "listeners"),
            rows=places,
            picture=lambda: _table(question, kind, places, by),
            why_empty=lambda: _why_empty(question, by, drawn=ranked is top_places),
        ).show(as_json=as_json, as_csv=as_csv)


def _why_empty(question: Question, by: By, *, drawn: bool) -> str:
    connection = question.listening.connection
    is_drawn = drawn and question.user is None and by is By.LISTENS and not has_one_listener(connection)
    if is_drawn and waiting_for_charts(connection):
        return "the charts for everyone have not been drawn yet: run `zik aggregate`"
    return question.why_empty(by)


def _table(question: Question, kind: Kind, places: Sequence[Place], by: By) -> Table:
    table = Table(title=plain(f"Top {kind} of {question.who}, {span_name(question.span)}"), title_justify="left")
    table.add_column("", justify="right", style="dim")
    names = _names(kind, places)
    for heading in names:
        table.add_column(heading, overflow="fold", min_width=_LEAST_NAME)
    number = [str(place.place) for place in places]
    figures = _fitting(
        _figures(places, by, of_everyone=question.user is None),
        by,
        console.width - _EDGE - _width("", number) - sum(min(_width(*name), _NAME + _GAP) for name in names.items()),
    )
    for heading in figures:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in zip(number, *names.values(), *figures.values(), strict=True):
        table.add_row(*row)
    return table


def _names(kind: Kind, places: Sequence[Place]) -> _Columns:
    artists: _Columns = {"artist": [plain(place.artist) for place in places]}
    # An album has no title if someone cleared it by hand and left the song filed under it. Keep its cell.
    titles = [plain(place.title or "") for place in places]
    return artists if kind is Kind.ARTISTS else {kind.subject: titles, **artists}


def _figures(places: Sequence[Place], by: By, *, of_everyone: bool) -> _Columns:
    figures: dict[str, Sequence[RenderableType]] = {
        "listens": [f"{place.listens:,}" for place in places],
        "plays": [f"{place.plays:,}" for place in places],
        "time": [duration(place.ms_played) for place in places],
    }
    if of_everyone:
        figures["listeners"] = [f"{place.listeners:,}" for place in places]
    ranked = [
        place.ms_played if by is By.TIME else place.plays if by is By.PLAYS else place.listens for place in places
    ]
    figures[""] = [Bar(ranked[0], 0, number, width=_BAR, color="green") for number in ranked]
    return figures


def _fitting(figures: _Columns, by: By, room: int) -> _Columns:
    """The figures that fit into `room` columns of the terminal."""
    widths = {heading: _width(heading, cells) for heading, cells in figures.items()}
    for heading in _DROPPED_FIRST:
        if sum(widths.values()) <= room:
            break
        if heading != by:
            widths.pop(heading, None)
    return {heading: figures[heading] for heading in widths}


def _width(heading: str, cells: Sequence[RenderableType]) -> int:
    return max(console.measure(cell).maximum for cell in (heading, *cells)) + _GAP
