from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Final

import typer
from rich.console import Group
from rich.text import Text

from worker.cli.heat_map import calendar
from worker.cli.question import Answer, AsCsv, OneUser, as_day, question
from worker.cli.terminal import AsJson, plain
from worker.report.shades import Shades
from worker.report.wording import amount
from worker.statistics.questions.days import Day
from worker.statistics.questions.days import days as listening_days

_WEEKS: Final = timedelta(weeks=52)
_DAY: Final = timedelta(days=1)

Until = Annotated[
    date | None, typer.Option("--until", parser=as_day, metavar="DATE", help="The last day, else today there.")
]


def days(*, user: OneUser, until: Until = None, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Draw a year of listening, a square for each local day. For a program: the days that have plays."""
    with question(user) as asked:
        _, listener = asked.one
        last = until or asked.today
        first = last - last.weekday() * _DAY - _WEEKS
        found = listening_days(asked.listening, first, last)
        Answer(
            facts={"user": listener.username, "first": first, "last": last},
            name="days",
            columns=("day", "plays", "listens", "ms_played"),
            rows=found,
            picture=lambda: Group(plain(f"{asked.whose}, {first} to {last}"), _picture(found, first, last)),
            why_nothing=lambda: asked.why_nothing("plays", f"{first} to {last}"),
        ).tell(as_json=as_json, as_csv=as_csv)


def _picture(found: Sequence[Day], first: date, last: date) -> Group:
    listens = {day.day: day.listens for day in found}
    drawn = calendar(lambda day: listens.get(day, 0), first, last, Shades.of(listens.values()))
    told = f"{amount(sum(listens.values()), 'listen')} on {amount(sum(map(bool, listens.values())), 'day')}"
    return Group("", drawn, "", Text(told))
