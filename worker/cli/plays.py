from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import Engine

from worker.cli.correcting import correcting
from worker.cli.question import OneUser, as_day, find_user
from worker.cli.terminal import MOST_ROWS, AsJson, console, errors, plain, print_json
from worker.database.engine import opened_engine, snapshot, without_statement_timeout
from worker.operations import corrections
from worker.operations.corrections import Changes, Choice, FoundPlay
from worker.report.wording import amount
from worker.settings import load_settings

desk = typer.Typer(
    add_completion=False, no_args_is_help=True, help="List, delete, restore and edit plays. Each can be taken back."
)

_ID_WIDTH: Final = 36

Ids = Annotated[list[UUID] | None, typer.Argument(metavar="[ID]...", help="Ids of plays.")]
Day = Annotated[date | None, typer.Option("--day", parser=as_day, metavar="DATE", help="Of this local day.")]
Artist = Annotated[str | None, typer.Option("--artist", help="Of this artist, and of those that count as the same.")]
Title = Annotated[str | None, typer.Option("--title", help="With this title.")]
Source = Annotated[str | None, typer.Option("--source", help="From exactly this source.")]
Import = Annotated[str | None, typer.Option("--import", metavar="ID", help="From this import, see `zik import undo`.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=MOST_ROWS, help="At most this many plays.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


@contextmanager
def _database() -> Iterator[Engine]:
    with opened_engine(load_settings().database_url) as engine:
        yield engine


@desk.command("list")
def list_plays(
    user: OneUser,
    *,
    day: Day = None,
    artist: Artist = None,
    title: Title = None,
    source: Source = None,
    of_import: Import = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Those that are deleted.")] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List plays with their ids, oldest first."""
    choice = Choice(day=day, artist=artist, title=title, source=source, import_id=of_import)
    with _database() as engine:
        _, plays = _find(engine, user, choice, deleted=deleted, most=limit)
    if as_json:
        print_json([_as_json(play) for play in plays])
        return
    table = Table(title=f"{'Deleted plays' if deleted else 'Plays'} ({len(plays):,})", title_justify="left")
    # Narrow terminals fold the texts, but never an id, which is there to be copied.
    table.add_column("id", no_wrap=True, min_width=_ID_WIDTH)
    for heading in ("time", "song", "artist", "album", "source", "import", ""):
        table.add_column(heading, overflow="fold")
    for play in plays:
        song = play.song
        texts = (song.title, song.artist, song.album, play.source, play.import_id)
        cells = (plain(text or "") for text in texts)
        table.add_row(str(play.id), play.time.isoformat(" ", "seconds"), *cells, "edited" if play.is_edited else "")
    console.print(table)


@desk.command()
def delete(
    user: OneUser,
    ids: Ids = None,
    *,
    day: Day = None,
    artist: Artist = None,
    title: Title = None,
    source: Source = None,
    of_import: Import = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete plays: nothing counts them, and no import brings them back. `zik plays restore` does."""
    choice = Choice(ids=ids or (), day=day, artist=artist, title=title, source=source, import_id=of_import)
    delete_chosen(user, choice, yes=yes, as_json=as_json)


@desk.command()
def restore(
    user: OneUser,
    ids: Ids = None,
    *,
    day: Day = None,
    artist: Artist = None,
    title: Title = None,
    source: Source = None,
    of_import: Import = None,
    as_json: AsJson = False,
) -> None:
    """Take back the latest correction of the plays with these ids, or restore the deleted plays that are chosen.

    Exit code 1 if another play has taken the place of one.
    """
    choice = Choice(ids=ids or (), day=day, artist=artist, title=title, source=source, import_id=of_import)
    _check_chosen(choice)
    with correcting(user) as engine:
        if ids and choice == Choice(ids=ids):
            with snapshot(engine) as session:
                user_id, chosen = find_user(session.connection(), user).id, ids
        else:
            user_id, plays = _find(engine, user, choice, deleted=True)
            chosen = [play.id for play in plays]
        with _progress("restored", len(chosen), quiet=as_json) as advance:
            done = corrections.restore(engine, user_id, chosen, restored=advance)
    if as_json:
        print_json({"restored": done.restored, "taken": done.taken})
    else:
        kept = f"; the place of {amount(done.taken, 'play')} is taken by another" if done.taken else ""
        console.print(f"restored {amount(done.restored, 'play')}{kept}", highlight=False)
    raise typer.Exit(code=1 if done.taken else 0)


@desk.command()
def edit(
    user: OneUser,
    play_id: Annotated[UUID, typer.Argument(metavar="ID", help="The id of a play.")],
    *,
    time: Annotated[
        str | None, typer.Option("--time", help="When listening began, as in 2026-11-23T21:04:11+01:00.")
    ] = None,
    artist: Annotated[str | None, typer.Option("--artist", help="The artist.")] = None,
    title: Annotated[str | None, typer.Option("--title", help="The title.")] = None,
    ms_played: Annotated[int | None, typer.Option("--ms-played", help="How long it was listened to.")] = None,
    as_json: AsJson = False,
) -> None:
    """Edit a play. An import of it as it was changes nothing, and `zik plays restore` takes the edit back."""
    changes = Changes(time=time, artist=artist, title=title, ms_played=ms_played)
    if changes == Changes():
        raise typer.BadParameter("say what to change: --time, --artist, --title or --ms-played")
    with correcting(user) as engine:
        with snapshot(engine) as session:
            user_id = find_user(session.connection(), user).id
        edited = corrections.edit(engine, user_id, play_id, changes, now=datetime.now(UTC))
    if as_json:
        print_json({"edited": edited})
    else:
        console.print("edited" if edited else "the play is like this already", highlight=False)


def undo_import(
    user: OneUser,
    import_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="The import; without it, list them.")] = None,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Take a whole import back by deleting its plays, or list the imports of a user.

    Plays that were recorded before the import stay. `zik plays restore --import ID` brings the others back.
    """
    if import_id is not None:
        delete_chosen(user, Choice(import_id=import_id), yes=yes, as_json=as_json)
        return
    with _database() as engine, snapshot(without_statement_timeout(engine)) as session:
        found = corrections.imports(session.connection(), find_user(session.connection(), user).id)
    if as_json:
        print_json([vars(each) | {"since": each.since.isoformat()} for each in found])
        return
    table = Table(title=f"Imports ({len(found):,})", title_justify="left")
    for heading in ("import", "since", "plays", "deleted"):
        table.add_column(heading, justify="right" if heading in {"plays", "deleted"} else "left")
    for each in found:
        table.add_row(
            plain(each.import_id), each.since.isoformat(" ", "seconds"), f"{each.plays:,}", f"{each.deleted:,}"
        )
    console.print(table)


def delete_chosen(user: str, choice: Choice, *, yes: bool, as_json: bool) -> None:
    """Ask, delete the plays that are chosen, and say how many."""
    _check_chosen(choice)
    with correcting(user) as engine:
        user_id, plays = _find(engine, user, choice)
        if plays and not yes:
            typer.confirm(f"Delete {amount(len(plays), 'play')}?", abort=True)
        with _progress("deleted", len(plays), quiet=as_json) as advance:
            deleted = corrections.delete(engine, user_id, (play.id for play in plays), deleted=advance)
    if as_json:
        print_json({"deleted": deleted})
    else:
        console.print(f"deleted {amount(deleted, 'play')}", highlight=False)


def _check_chosen(choice: Choice) -> None:
    if choice.is_everything:
        raise typer.BadParameter("choose the plays: by id, --day, --artist, --title, --source or --import")


def _find(
    engine: Engine, username: str, choice: Choice, *, deleted: bool = False, most: int | None = None
) -> tuple[int, Sequence[FoundPlay]]:
    """The user's id, and the plays that are chosen."""
    with snapshot(without_statement_timeout(engine)) as session:
        user_id = find_user(session.connection(), username).id
        return user_id, corrections.find(session.connection(), user_id, choice, deleted=deleted, most=most)


@contextmanager
def _progress(task: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, and the function that advances it by so many plays."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=quiet) as bars:
        yield partial(bars.advance, bars.add_task(task, total=total))


def _as_json(play: FoundPlay) -> dict[str, Any]:
    return {
        "id": str(play.id),
        "time": play.time.isoformat(),
        "artist": play.song.artist,
        "title": play.song.title,
        "album": play.song.album,
        "album_artist": play.song.album_artist,
        "artists": play.song.artists,
        "duration_ms": play.song.duration_ms,
        "ms_played": play.ms_played,
        "source": play.source,
        "import": play.import_id,
        "deleted": play.is_deleted,
        "edited": play.is_edited,
    }
