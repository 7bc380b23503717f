"""What the commands that answer questions have in common: whom and when they ask about, and how they answer."""

import csv
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final

import typer
from rich.console import RenderableType
from sqlalchemy import Connection

from worker.cli.terminal import MOST_ROWS, console, errors, print_json
from worker.database.engine import opened_engine, snapshot, without_statement_timeout
from worker.escaping import JOINERS, printable
from worker.report.wording import span_name
from worker.settings import Settings, load_settings
from worker.statistics.listen_rule import ListenRule
from worker.statistics.periods import Period, Span, span
from worker.statistics.questions.listener import Listener, listener
from worker.statistics.questions.sources import GlobalListening, Listening, UserListening
from worker.statistics.questions.totals import totals

ALL_TIME: Final = span(Period.ALL, date.min)
# What a spreadsheet takes for the beginning of a formula, by https://owasp.org/www-community/attacks/CSV_Injection:
# these in both widths, after blanks that it may drop. Control characters have become escapes before they are looked at.
_FORMULA: Final = re.compile(rf"[\s{JOINERS}]*[-=+@\uff0d\uff1d\uff0b\uff20]")


def as_day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    # The weeks and years around it are asked for, too.
    if not date.min.year + 2 < day.year < date.max.year:
        raise typer.BadParameter("must be a day, as in 2026-11-23")
    return day


OneUser = Annotated[str, typer.Option("--user", "-u", help="Whose listening.")]
MaybeUser = Annotated[str | None, typer.Option("--user", "-u", help="Whose listening.")]
InPeriod = Annotated[Period, typer.Option("--period", "-p", help="How long a time.")]
At = Annotated[
    date | None,
    typer.Option("--at", parser=as_day, metavar="DATE", help="A day in the period, else today by the user's clock."),
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=MOST_ROWS, help="At most so many.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV, with harmless cells, for a spreadsheet.")]


@contextmanager
def asking(settings: Settings, *, patiently: bool = False) -> Iterator[Connection]:
    """A connection to the database of the settings, for reading; `patiently` without a limit for a statement."""
    with (
        opened_engine(settings.database_url) as engine,
        snapshot(without_statement_timeout(engine) if patiently else engine) as session,
    ):
        yield session.connection()


@dataclass(frozen=True)
class Asked:
    """Whom a question is about, nobody being everyone, and which days."""

    listening: Listening
    user: Listener | None
    span: Span
    today: date

    @property
    def one(self) -> tuple[UserListening, Listener]:
        """The user's listening and the user, where the command cannot do without."""
        if self.user is None or not isinstance(self.listening, UserListening):
            raise typer.BadParameter("whose: --user NAME")
        return self.listening, self.user

    @property
    def whose(self) -> str:
        return printable(self.user.username) if self.user else "everyone"

    def facts(self) -> dict[str, Any]:
        """What an answer for a program begins with."""
        unbounded = self.span.period is Period.ALL
        return {
            "user": self.user.username if self.user else None,
            "period": self.span.period,
            "first": None if unbounded else self.span.first,
            "last": None if unbounded else self.span.last,
        }

    def why_nothing(self, what: str, when: str = "") -> str:
        """Why an answer is empty: there is nothing in this time, or never was."""
        known = totals(self.listening, ALL_TIME)
        if not known.plays:
            return f"no plays of {self.whose} have been recorded yet"
        there_are = f"there are plays from {known.first_day} to {known.last_day}"
        return f"no {what} of {self.whose} in {when or span_name(self.span)}; {there_are}"


@contextmanager
def question(username: str | None, period: Period = Period.ALL, at: date | None = None) -> Iterator[Asked]:
    """Find the user, and the period that `at` or their today lies in."""
    if at is not None and period is Period.ALL:
        raise typer.BadParameter("--at chooses one day, week, month or year: add --period")
    now, settings = datetime.now(UTC), load_settings()
    # Whoever asks about everyone waits for as long as there is much to add up.
    with asking(settings, patiently=username is None) as connection:
        user = None if username is None else listener(connection, username)
        today = user.today(now) if user else now.date()
        yield Asked(_listening(connection, user, settings), user, span(period, at or today), today)


def _listening(connection: Connection, user: Listener | None, settings: Settings) -> Listening:
    rule = ListenRule.configured(settings)
    return UserListening(connection, user.id, rule) if user else GlobalListening(connection, rule)


@dataclass(frozen=True)
class Answer:
    """An answer in its three forms: `picture` for people, `facts` and `rows` as JSON, `rows` alone as CSV."""

    facts: Mapping[str, Any]
    name: str
    columns: Sequence[str]
    rows: Sequence[Any]
    picture: Callable[[], RenderableType]
    why_nothing: Callable[[], str] = field(default=lambda: "")

    def tell(self, *, as_json: bool, as_csv: bool) -> None:
        """Print it. Why there is nothing goes to standard error, where no program takes it for an answer."""
        if as_json and as_csv:
            raise typer.BadParameter("--json or --csv, not both")
        if not self.rows:
            errors.print(self.why_nothing(), markup=False, highlight=False, soft_wrap=True)
        if as_json:
            print_json({**self.facts, self.name: [self._named(row) for row in self.rows]})
        elif as_csv:
            self._write_csv()
        elif self.rows:
            console.print(self.picture())

    def _write_csv(self) -> None:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([_cell(value) for value in self._named(row).values()] for row in self.rows)

    def _named(self, row: Any) -> dict[str, Any]:
        return {column: getattr(row, column) for column in self.columns}


def _cell(value: Any) -> Any:
    """Text on one line that no spreadsheet computes and no terminal obeys."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if _FORMULA.match(text) else text
