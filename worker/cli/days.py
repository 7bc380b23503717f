from collections.abc import Sequence
from datetime import date
from typing import Annotated

import typer
from rich.console import Group
from rich.text import Text

from worker.cli.heat_map import calendar
from worker.cli.question import Answer, AsCsv, OneUser, as_day, open_question
from worker.cli.terminal import AsJson, plain
from worker.report.shades import Shades
from worker.report.wording import amount
from worker.statistics import ONE_DAY, Day
from worker.statistics import days as listening_days

Until = Annotated[
    date | None,
    typer.Option("--until", parser=as_day, metavar="DATE", help="The last day. Default: the user's today."),
]


def days(*, user: OneUser, until: Until = None, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Draw a year of listening, a square for each local day. JSON and CSV have the days with plays."""
    with open_question(user) as question:
        listening, _ = question.of_user()
        last = until or question.today
        first = _first_monday(last)
        found = listening_days(listening, first, last)
        Answer(
            facts={**question.whose(), "first": first, "last": last},
            name="days",
            columns=("day", "plays", "listens", "ms_played"),
            rows=found,
            picture=lambda: Group(plain(f"{question.who}, {first} to {last}"), _picture(found, first, last)),
            why_empty=lambda: question.why_empty("plays", f"{first} to {last}"),
        ).show(as_json=as_json, as_csv=as_csv)


def _first_monday(last: date) -> date:
    """The Monday of the week in which the year up to `last` begins.

    That is 53 weeks, or 54 if the year has a leap day and begins on a Sunday.

    >>> _first_monday(date(2012, 12, 31)), _first_monday(date(2021, 4, 30))
    (datetime.date(2011, 12, 26), datetime.date(2020, 4, 27))
    """
    following = last + ONE_DAY
    # A year before 29 February there is none.
    is_leap_day = (following.month, following.day) == (2, 29)
    first = date(following.year - 1, 3, 1) if is_leap_day else following.replace(year=following.year - 1)
    return first - first.weekday() * ONE_DAY


def _picture(found: Sequence[Day], first: date, last: date) -> Group:
    listens = {day.day: day.listens for day in found}
    drawn = calendar(lambda day: listens.get(day, 0), first, last, Shades.of(listens.values()))
    summary = f"{amount(sum(listens.values()), 'listen')} on {amount(sum(map(bool, listens.values())), 'day')}"
    return Group("", drawn, "", Text(summary))
