"""What all question commands share: the user, the period, and an answer as table, JSON or CSV."""

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, NamedTuple

import typer
from rich.console import RenderableType
from sqlalchemy import Connection

from worker.cli.spreadsheet import write_csv
from worker.cli.terminal import MOST_ROWS, console, errors, print_json
from worker.database.engine import opened_engine, snapshot, without_statement_timeout
from worker.escaping import printable
from worker.report.wording import MONTHS
from worker.settings import Settings, load_settings
from worker.statistics import (
    GlobalListening,
    Listener,
    Listening,
    ListenRule,
    Period,
    Span,
    UserListening,
    find_listener,
    span,
    totals,
)

# Of a value that may be any JSON.
_MOST_SHOWN: Final = 60
# What begins the name of days without a first or a last one.
_OPEN: Final = ("since ", "until ")
ALL_TIME: Final = span(Period.ALL, date.min)


def as_day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    # The weeks and years around the day must exist too.
    if not date.min.year + 2 < day.year < date.max.year:
        raise typer.BadParameter("must be a day, as in 2026-11-23")
    return day


OneUser = Annotated[str, typer.Option("--user", "-u", help="The user to show.")]
MaybeUser = Annotated[str | None, typer.Option("--user", "-u", help="The user to show.")]
InPeriod = Annotated[Period, typer.Option("--period", "-p", help="The length of the period.")]
At = Annotated[
    date | None,
    typer.Option("--at", parser=as_day, metavar="DATE", help="A day in the period. Default: the user's today."),
]
From = Annotated[
    date | None, typer.Option("--from", parser=as_day, metavar="DATE", help="The first day, instead of --period.")
]
To = Annotated[
    date | None, typer.Option("--to", parser=as_day, metavar="DATE", help="The last day, instead of --period.")
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=MOST_ROWS, help="The maximum number of rows.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV for a spreadsheet. No cell is a formula.")]


@contextmanager
def open_snapshot(settings: Settings, *, timeout: bool = True) -> Iterator[Connection]:
    """A connection for reading the settings' database at one moment; without `timeout` a statement may take long."""
    with (
        opened_engine(settings.database_url) as engine,
        snapshot(engine if timeout else without_statement_timeout(engine)) as session,
    ):
        yield session.connection()


class When(NamedTuple):
    """The days of a question as its options say: a period and a day in it, or the first and the last day."""

    period: Period = Period.ALL
    at: date | None = None
    first: date | None = None
    last: date | None = None

    def check(self) -> None:
        if self.at is not None and self.period is Period.ALL:
            raise typer.BadParameter("--at chooses one day, week, month or year: add --period")
        if self.first is None and self.last is None:
            return
        if self.period is not Period.ALL:
            raise typer.BadParameter("choose the days in one way: by --period, or by --from and --to")
        if self.first is not None and self.last is not None and self.first > self.last:
            raise typer.BadParameter(f"--from {self.first} is after --to {self.last}")

    def days(self, today: date) -> Span:
        if self.period is Period.ALL:
            return Span(Period.ALL, self.first or date.min, self.last or date.max)
        return span(self.period, self.at or today)


@dataclass(frozen=True)
class Question:
    """The listening and the days that a question is about. `user` is None for everyone."""

    listening: Listening
    user: Listener | None
    span: Span
    today: date

    def of_user(self) -> tuple[UserListening, Listener]:
        """The user and their listening, for a command that requires `--user`."""
        if self.user is None or self.listening.covers_everyone:
            raise typer.BadParameter("choose a user: --user NAME")
        return self.listening, self.user

    @property
    def who(self) -> str:
        return printable(self.user.username) if self.user else "everyone"

    def whose(self) -> dict[str, Any]:
        """The first keys of the JSON answer: the user, and their preference `timezone` if it names none."""
        if self.user is None:
            return {"user": None}
        return {"user": self.user.username, "misnamed_timezone": self.user.misnamed_timezone}

    def facts(self) -> dict[str, Any]:
        """What `whose` has, and the period."""
        return {
            **self.whose(),
            "period": self.span.period,
            "first": self.span.first if self.span.first > date.min else None,
            "last": self.span.last if self.span.last < date.max else None,
        }

    def why_empty(self, what: str, when: str = "") -> str:
        """Why an answer has no rows: no plays in the period, or none at all."""
        ever = totals(self.listening, ALL_TIME)
        if not ever.plays:
            return f"no plays of {self.who} have been recorded yet"
        there_are = f"there are plays from {ever.first_day} to {ever.last_day}"
        when = when or span_name(self.span)
        return f"no {what} of {self.who} {'' if when.startswith(_OPEN) else 'in '}{when}; {there_are}"


_EVER: Final = When()


@contextmanager
def open_question(username: str | None, when: When = _EVER) -> Iterator[Question]:
    """Find the user and the days that the question is about; without a day they contain the user's today."""
    when.check()
    now, settings = datetime.now(UTC), load_settings()
    # Adding up everyone's listening may take longer than the statement timeout.
    with open_snapshot(settings, timeout=username is not None) as connection:
        user = None if username is None else find_user(connection, username)
        today = user.today(now) if user else now.date()
        yield Question(_listening(connection, user, settings), user, when.days(today), today)


def find_user(connection: Connection, username: str, *, warn: bool = True) -> Listener:
    """`find_listener`, which says on standard error that the user's days are those of UTC for want of a timezone."""
    user = find_listener(connection, username)
    if warn and user.misnamed_timezone is not None:
        shown = printable(json.dumps(user.misnamed_timezone, ensure_ascii=False))[:_MOST_SHOWN]
        line = (
            f"zik: {shown}, the timezone of {printable(user.username)}, names none: times without an offset count in "
            f"UTC. Set one: zik user set {shlex.quote(printable(user.username))} --timezone Europe/Berlin"
        )
        errors.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)
    return user


def _listening(connection: Connection, user: Listener | None, settings: Settings) -> Listening:
    rule = ListenRule.configured(settings)
    return UserListening(connection, user.id, rule) if user else GlobalListening(connection, rule)


def span_name(days: Span) -> str:
    """The days for a heading: `all time`, `2021`, `May 2021`, `week 2020-W53`, `2021-05-10`, or from when to when."""
    if days != span(days.period, days.first):
        return _days_name(days.first, days.last)
    match days.period:
        case Period.ALL:
            return "all time"
        case Period.YEAR:
            return str(days.first.year)
        case Period.MONTH:
            return f"{MONTHS[days.first.month - 1]} {days.first.year}"
        case Period.WEEK:
            year, week, _ = days.first.isocalendar()
            return f"week {year}-W{week:02}"
        case Period.DAY:
            return days.first.isoformat()


def _days_name(first: date, last: date) -> str:
    since, until = _OPEN
    if last == date.max:
        return f"{since}{first}"
    return f"{until}{last}" if first == date.min else f"{first} to {last}"


@dataclass(frozen=True)
class Answer:
    """An answer in three forms: `picture` for people, `facts` and `rows` as JSON, `rows` as CSV."""

    facts: Mapping[str, Any]
    name: str
    columns: Sequence[str]
    rows: Sequence[Any]
    picture: Callable[[], RenderableType]
    why_empty: Callable[[], str] = field(default=lambda: "")

    def show(self, *, as_json: bool, as_csv: bool) -> None:
        """Print the answer. Says on standard error why there are no rows, so that a program does not parse it."""
        if as_json and as_csv:
            raise typer.BadParameter("--json or --csv, not both")
        if not self.rows:
            errors.print(self.why_empty(), markup=False, highlight=False, soft_wrap=True)
        if as_json:
            print_json({**self.facts, self.name: [self._named(row) for row in self.rows]})
        elif as_csv:
            write_csv(self.columns, (self._named(row).values() for row in self.rows))
        elif self.rows:
            console.print(self.picture())

    def _named(self, row: Any) -> dict[str, Any]:
        return {column: getattr(row, column) for column in self.columns}
