from collections.abc import Sequence
from datetime import date
from typing import Annotated

import typer
from rich.console import Group
from rich.text import Text

from worker.cli.heat_map import calendar
from worker.cli.question import Answer, AsCsv, OneUser, When, as_day, open_question
from worker.cli.terminal import AsJson, plain
from worker.report.shades import Shades
from worker.report.wording import amount
from worker.statistics import ONE_DAY, Day, Period, a_year_before, span
from worker.statistics import days as listening_days

Since = Annotated[
    date | None,
    typer.Option("--from", parser=as_day, metavar="DATE", help="The first day. Default: a year before, from Monday."),
]
Until = Annotated[
    date | None,
    typer.Option("--to", "--until", parser=as_day, metavar="DATE", help="The last day. Default: the user's today."),
]


def days(
    *, user: OneUser, from_: Since = None, to: Until = None, as_json: AsJson = False, as_csv: AsCsv = False
) -> None:
    """Draw a year of listening, a square for each local day. JSON and CSV have the days with plays."""
    with open_question(user) as question:
        listening, _ = question.of_user()
        last = to or question.today
        first = from_ or span(Period.WEEK, a_year_before(last) + ONE_DAY).first
        When(first=first, last=last).check()
        found = listening_days(listening, first, last)
        Answer(
            facts={**question.whose(), "first": first, "last": last},
            name="days",
            columns=("day", "plays", "listens", "ms_played"),
            rows=found,
            picture=lambda: Group(plain(f"{question.who}, {first} to {last}"), _picture(found, first, last)),
            why_empty=lambda: question.why_empty("plays", f"{first} to {last}"),
        ).show(as_json=as_json, as_csv=as_csv)


def _picture(found: Sequence[Day], first: date, last: date) -> Group:
    listens = {day.day: day.listens for day in found}
    drawn = calendar(lambda day: listens.get(day, 0), first, last, Shades.of(listens.values()))
    summary = f"{amount(sum(listens.values()), 'listen')} on {amount(sum(map(bool, listens.values())), 'day')}"
    return Group("", drawn, "", Text(summary))
