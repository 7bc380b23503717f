"""What all question commands share: the user, the period, and an answer as table, JSON or CSV."""

import csv
import json
import re
import shlex
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
ALL_TIME: Final = span(Period.ALL, date.min)
# The characters that begin a formula in a spreadsheet (https://owasp.org/www-community/attacks/CSV_Injection), in both
# widths, after blanks that it may drop. `printable` has escaped control characters before this is matched.
_FORMULA: Final = re.compile(rf"[\s{JOINERS}]*[-=+@\uff0d\uff1d\uff0b\uff20]")


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
        unbounded = self.span.period is Period.ALL
        return {
            **self.whose(),
            "period": self.span.period,
            "first": None if unbounded else self.span.first,
            "last": None if unbounded else self.span.last,
        }

    def why_empty(self, what: str, when: str = "") -> str:
        """Why an answer has no rows: no plays in the period, or none at all."""
        ever = totals(self.listening, ALL_TIME)
        if not ever.plays:
            return f"no plays of {self.who} have been recorded yet"
        there_are = f"there are plays from {ever.first_day} to {ever.last_day}"
        return f"no {what} of {self.who} in {when or span_name(self.span)}; {there_are}"


@contextmanager
def open_question(username: str | None, period: Period = Period.ALL, at: date | None = None) -> Iterator[Question]:
    """Find the user, and the period that contains `at` or the user's today."""
    if at is not None and period is Period.ALL:
        raise typer.BadParameter("--at chooses one day, week, month or year: add --period")
    now, settings = datetime.now(UTC), load_settings()
    # Adding up everyone's listening may take longer than the statement timeout.
    with open_snapshot(settings, timeout=username is not None) as connection:
        user = None if username is None else find_user(connection, username)
        today = user.today(now) if user else now.date()
        yield Question(_listening(connection, user, settings), user, span(period, at or today), today)


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


def span_name(span: Span) -> str:
    """The period for a heading: `all time`, `2021`, `May 2021`, `week 2020-W53`, `2021-05-10`."""
    match span.period:
        case Period.ALL:
            return "all time"
        case Period.YEAR:
            return str(span.first.year)
        case Period.MONTH:
            return f"{MONTHS[span.first.month - 1]} {span.first.year}"
        case Period.WEEK:
            year, week, _ = span.first.isocalendar()
            return f"week {year}-W{week:02}"
        case Period.DAY:
            return span.first.isoformat()


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
