import json
from collections.abc import Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Annotated, Any, Final

import typer
from rich.table import Table
from rich.text import Text

from worker.cli.backpressure import append_when_room
from worker.cli.left_out import count_again, leave_out, left_out
from worker.cli.question import Answer, AsCsv, find_user, open_question, open_snapshot
from worker.cli.terminal import AsJson, plain, print_json, say
from worker.client.events import checked_event
from worker.contract.timezones import RULE, TIMEZONE, names_timezone, timezone_names
from worker.escaping import printable
from worker.settings import load_settings
from worker.statistics import Account, accounts

desk = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="A user: show them, set their timezone, leave songs and artists out of their statistics.",
)
desk.command("leave-out")(leave_out)
desk.command()(count_again)
desk.command()(left_out)

_NONE: Final = "none"
_MOST_SHOWN: Final = 40
_COLUMNS: Final = ("user", "plays", "first_day", "last_day", "timezone", "misnamed_timezone")

Name = Annotated[str, typer.Argument(metavar="USER")]
Timezone = Annotated[
    str,
    typer.Option("--timezone", metavar="ZONE", help="Such as Europe/Berlin; none takes it back.", show_default=False),
]


def users(*, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """List all users with their plays, the first and the last day, and the timezone."""
    with open_question(None) as question:
        found = accounts(question.listening)
        Answer(
            facts={},
            name="users",
            columns=_COLUMNS,
            rows=found,
            picture=lambda: _table(found, f"Users ({len(found):,})"),
            why_empty=lambda: "no event of a user has been recorded yet",
        ).show(as_json=as_json, as_csv=as_csv)


@desk.command()
def show(user: Name, *, as_json: AsJson = False) -> None:
    """Show a user's plays, the first and the last day, and the timezone."""
    with open_question(user) as question:
        (found,) = accounts(question.listening)
        if as_json:
            print_json({name: getattr(found, name) for name in _COLUMNS})
        else:
            Answer({}, "users", _COLUMNS, [found], lambda: _table([found], "")).show(as_json=False, as_csv=False)


@desk.command("set")
def set_(user: Name, *, timezone: Timezone, as_json: AsJson = False) -> None:
    """Set a user's timezone: the days of all plays that came without an offset.

    Publishes the preference `timezone`. It counts, also for the past, as soon as a worker has recorded it.
    """
    zone = None if timezone == _NONE else timezone
    if zone is not None and not names_timezone(zone):
        raise typer.BadParameter(RULE + _nearest(zone), param_hint="--timezone")
    settings, now = load_settings(), datetime.now(UTC)
    with open_snapshot(settings) as connection:
        # A name that is spelled wrong must not make a new user.
        username = find_user(connection, user, warn=False).username
    event = {"type": "preference", "time": now, "user": username, "key": TIMEZONE, "value": zone}
    event_id, payload = checked_event(event, now=now)
    with append_when_room(settings) as append:
        append([payload])
    if as_json:
        print_json({"user": username, "timezone": zone, "event": event_id})
    else:
        say(f"published: {printable(username)} is in {zone or 'no timezone'} as soon as a worker has recorded it")


def _nearest(zone: str) -> str:
    spelled = {name.lower(): name for name in timezone_names()}
    near = get_close_matches(zone.lower(), spelled, n=1)
    return f"; did you mean {spelled[near[0]]}?" if near else ""


def _table(found: Sequence[Account], title: str) -> Table:
    table = Table(title=plain(title) if title else None, title_justify="left")
    for heading in ("user", "plays", "first day", "last day", "timezone"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "plays" else "left")
    for each in found:
        days = (str(each.first_day or ""), str(each.last_day or ""))
        table.add_row(plain(each.user), f"{each.plays:,}", *days, _zone(each))
    return table


def _zone(account: Account) -> Text:
    misnamed: Any = account.misnamed_timezone
    if misnamed is None:
        return Text(account.timezone or "")
    shown = printable(json.dumps(misnamed, ensure_ascii=False))[:_MOST_SHOWN]
    return Text(f"{shown} names none", style="red")
