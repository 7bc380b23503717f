from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from rich.table import Table

from worker.cli.question import Answer, AsCsv, OneUser, open_question
from worker.cli.terminal import AsJson, plain
from worker.report.wording import amount
from worker.statistics import Streaks
from worker.statistics import streaks as find_streaks


@dataclass(frozen=True)
class _Row:
    streak: str
    days: int
    first: date
    last: date


def streaks(*, user: OneUser, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Show the current and the longest run of days with a listen. A run that reaches yesterday is current."""
    with open_question(user) as question:
        listening, _ = question.of_user()
        found = find_streaks(listening, question.span, today=question.today)
        rows = _rows(found)
        Answer(
            facts={**question.whose(), "today": question.today},
            name="streaks",
            columns=("streak", "days", "first", "last"),
            rows=rows,
            picture=lambda: _table(rows, question.who),
            why_empty=lambda: question.why_empty("listens"),
        ).show(as_json=as_json, as_csv=as_csv)


def _rows(found: Streaks) -> list[_Row]:
    named = (("current", found.current), ("longest", found.longest))
    return [_Row(name, streak.days, streak.first, streak.last) for name, streak in named if streak]


def _table(rows: Sequence[_Row], who: str) -> Table:
    table = Table(title=plain(f"Streaks of {who}"), title_justify="left")
    for heading in ("", "days", "from", "to"):
        table.add_column(heading, justify="right" if heading == "days" else "left")
    if rows[0].streak != "current":
        table.add_row("current", "none", "", "")
    for row in rows:
        table.add_row(row.streak, amount(row.days, "day"), str(row.first), str(row.last))
    return table
