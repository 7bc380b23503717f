from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import Engine

from worker.books import Outcome
from worker.cli.terminal import MOST_ROWS, AsJson, console, errors, plain, print_json, say
from worker.database.engine import opened_engine
from worker.errors import Reason, ZikError
from worker.escaping import printable
from worker.models import DeadLetter
from worker.operations import dead_letters
from worker.pages.desk import shown_letter
from worker.settings import load_settings
from worker.stream.consumer import EventStream

desk = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Dead letters: events that could not be recorded, and why.",
)

Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="Numbers of letters.")]
ByReason = Annotated[Reason | None, typer.Option("--reason", help="Only letters with this reason.")]
All = Annotated[bool, typer.Option("--all", help="Every letter.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=MOST_ROWS, help="At most this many letters.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def _database() -> AbstractContextManager[Engine]:
    return opened_engine(load_settings().database_url)


@desk.command("list")
def list_letters(*, reason: ByReason = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List the letters, oldest first."""
    with _database() as engine:
        letters = dead_letters.find(engine, reason=reason, limit=limit)
        total = sum(dead_letters.count_by_reason(engine).values())
    if as_json:
        print_json([_as_json(letter) for letter in letters])
        return
    table = Table(title=f"Dead letters ({len(letters):,} of {total:,})", title_justify="left")
    for heading in ("number", "user", "client", "what", "reason", "detail"):
        table.add_column(heading, overflow="fold")
    for letter in letters:
        shown = shown_letter(letter)
        texts = (shown.user or "", shown.client, shown.what, letter.reason, letter.detail)
        table.add_row(str(letter.id), *map(plain, texts))
    console.print(table)
    if letters:
        console.print(f"`zik dead show {letters[0].id}` shows what came, and when", style="dim", highlight=False)


@desk.command()
def show(letter_id: Annotated[int, typer.Argument(metavar="ID")], *, as_json: AsJson = False) -> None:
    """Show one letter with its payload."""
    with _database() as engine:
        letter = dead_letters.get(engine, letter_id)
    if letter is None:
        raise ZikError(f"there is no dead letter {letter_id}: see `zik dead list`")
    if as_json:
        print_json(_as_json(letter))
        return
    for name, value in _as_json(letter).items():
        console.print(f"{name + ':':<12}", end="", style="bold")
        say(printable(str(value)))


@desk.command()
def retry(ids: Ids = None, *, every: All = False, reason: ByReason = None, as_json: AsJson = False) -> None:
    """Try to record letters again, by the same rules as the drain. Exit code 1 if one is still refused."""
    settings = load_settings()
    with EventStream.opened(settings.redis_url) as stream, opened_engine(settings.database_url) as engine:
        letters = dead_letters.Desk(engine, stream, create_users=settings.unknown_users == "create")
        chosen = _chosen(engine, ids, every=every, reason=reason)
        with _progress("retried", len(chosen), quiet=as_json) as advance:
            outcomes = letters.retry(chosen, now=datetime.now(UTC), tried=advance)
    counts = {outcome.value: outcomes[outcome] for outcome in Outcome}
    if as_json:
        print_json(counts)
    else:
        summary = f"recorded {counts['recorded']:,}, duplicate {counts['duplicate']:,}, still dead {counts['dead']:,}"
        console.print(summary, highlight=False)
    raise typer.Exit(code=1 if outcomes[Outcome.DEAD] else 0)


@desk.command()
def discard(
    ids: Ids = None, *, every: All = False, reason: ByReason = None, yes: Yes = False, as_json: AsJson = False
) -> None:
    """Delete letters for good. The books keep counting them as dead."""
    with _database() as engine:
        chosen = _chosen(engine, ids, every=every, reason=reason)
        if chosen and not yes:
            typer.confirm(f"Delete {len(chosen):,} dead letters for good?", abort=True)
        with _progress("discarded", len(chosen), quiet=as_json) as advance:
            deleted = dead_letters.discard(engine, chosen, deleted=advance)
    if as_json:
        print_json({"discarded": deleted})
    else:
        console.print(f"discarded {deleted:,}", highlight=False)


@contextmanager
def _progress(task: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, and the function that advances it by so many letters."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=quiet) as bars:
        yield partial(bars.advance, bars.add_task(task, total=total))


def _chosen(engine: Engine, ids: Sequence[int] | None, *, every: bool, reason: Reason | None) -> list[int]:
    if sum((bool(ids), every, reason is not None)) != 1:
        raise typer.BadParameter("select the letters in one way: by number, by --reason CODE or with --all")
    existing = dead_letters.numbers(engine, reason=reason)
    if not ids:
        return list(existing)
    if unknown := sorted(set(ids).difference(existing)):
        raise ZikError(f"there is no dead letter {', '.join(map(str, unknown))}: see `zik dead list`")
    return list(dict.fromkeys(ids))


def _as_json(letter: DeadLetter) -> dict[str, Any]:
    return {
        "number": letter.id,
        "entry": letter.entry_id,
        "reason": letter.reason,
        "detail": letter.detail,
        "tried": letter.attempts,
        "kept_since": letter.created_at.isoformat(),
        "payload": letter.payload.decode(errors="backslashreplace"),
    }
