from collections.abc import Sequence
from enum import StrEnum, unique
from typing import Annotated, Final

import typer
from rich.bar import Bar
from rich.table import Table

from worker.cli.question import Answer, AsCsv, Asked, At, InPeriod, Limit, MaybeUser, question
from worker.cli.terminal import AsJson, console, plain
from worker.report.wording import duration, span_name
from worker.statistics.charts import LENGTH
from worker.statistics.periods import Period
from worker.statistics.ranking import Place, Subject
from worker.statistics.tops import top as top_places
from worker.statistics.waiting import waiting_for_charts

_BAR: Final = 12
# Below this width the names need the room more.
_BARS_FROM: Final = 100


@unique
class Kind(StrEnum):
    """The subjects as people ask for them."""

    SONGS = "songs"
    ARTISTS = "artists"
    ALBUMS = "albums"

    @property
    def subject(self) -> Subject:
        return Subject(self.removesuffix("s"))


WhatFor = Annotated[Kind, typer.Argument(metavar="songs|artists|albums", help="What is ranked.")]
Everyone = Annotated[bool, typer.Option("--everyone", help="The chart for all users, up to an hour old.")]


def top(
    kind: WhatFor,
    *,
    user: MaybeUser = None,
    everyone: Everyone = False,
    period: InPeriod = Period.ALL,
    at: At = None,
    limit: Limit = 10,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Rank songs, artists or albums by listens, then plays."""
    if (user is None) is not everyone:
        raise typer.BadParameter("whose: --user NAME, or --everyone")
    if everyone and limit > LENGTH:
        raise typer.BadParameter(f"charts for everyone are kept to place {LENGTH}: --limit {LENGTH} at most")
    with question(user, period, at) as asked:
        places = top_places(asked.listening, kind.subject, asked.span, most=limit)
        Answer(
            facts=asked.facts(),
            name=kind.value,
            columns=("place", "title", "artist", "listens", "plays", "ms_played", "listeners"),
            rows=places,
            picture=lambda: _table(asked, kind, places),
            why_nothing=lambda: _why_nothing(asked),
        ).tell(as_json=as_json, as_csv=as_csv)


def _why_nothing(asked: Asked) -> str:
    if asked.user is None and waiting_for_charts(asked.listening.connection):
        return "the charts for everyone have not been drawn yet: run `zik aggregate`"
    return asked.why_nothing("listens")


def _table(asked: Asked, kind: Kind, places: Sequence[Place]) -> Table:
    table = Table(title=plain(f"Top {kind} of {asked.whose}, {span_name(asked.span)}"), title_justify="left")
    table.add_column("", justify="right", style="dim")
    if kind is not Kind.ARTISTS:
        table.add_column(kind.subject, overflow="fold", ratio=2)
    table.add_column("artist", overflow="fold", ratio=1)
    for heading in ("listens", "plays", "time", *(("listeners",) if asked.user is None else ())):
        table.add_column(heading, justify="right", no_wrap=True)
    bars = console.width >= _BARS_FROM
    if bars:
        table.add_column("", width=_BAR)
    most = places[0].listens
    for place in places:
        # An album that a hand has cleared, and left the song filed under it, has no title. Its cell stays.
        names = (place.artist,) if kind is Kind.ARTISTS else (place.title or "", place.artist)
        table.add_row(
            str(place.place),
            *(plain(name) for name in names),
            f"{place.listens:,}",
            f"{place.plays:,}",
            duration(place.ms_played),
            *((f"{place.listeners:,}",) if asked.user is None else ()),
            *((Bar(most, 0, place.listens, width=_BAR, color="green"),) if bars else ()),
        )
    return table
