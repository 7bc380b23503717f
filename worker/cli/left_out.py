from collections.abc import Callable
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import Engine

from worker.cli.correcting import correcting
from worker.cli.question import find_user, open_snapshot
from worker.cli.terminal import AsJson, console, plain, print_json, say
from worker.database.engine import snapshot
from worker.escaping import printable
from worker.operations import left_out as leaving
from worker.settings import load_settings

User = Annotated[str, typer.Argument(metavar="USER")]
Artist = Annotated[str | None, typer.Option("--artist", help="This artist, in any spelling.")]
Song = Annotated[
    tuple[str, str] | None, typer.Option("--song", metavar="ARTIST TITLE", help="This song, each name in quotes.")
]


def leave_out(user: User, *, artist: Artist = None, song: Song = None, as_json: AsJson = False) -> None:
    """Leave an artist or a song out of a user's statistics, with all plays to come. The plays stay as they are.

    Everyone's statistics have them no more either. `zik user count-again` takes it back.
    """
    _change(user, artist, song, leaving.leave_out, "is left out of", as_json=as_json)


def count_again(user: User, *, artist: Artist = None, song: Song = None, as_json: AsJson = False) -> None:
    """Count an artist or a song again that a user has left out."""
    _change(user, artist, song, leaving.count_again, "counts in", as_json=as_json)


def left_out(user: User, *, as_json: AsJson = False) -> None:
    """List the artists and songs that a user leaves out of their statistics."""
    with open_snapshot(load_settings()) as connection:
        found = leaving.left_out(connection, find_user(connection, user).id)
    if as_json:
        print_json([{"artist": each.artist, "title": each.title, "since": each.since.isoformat()} for each in found])
        return
    table = Table(title=f"Left out of the statistics ({len(found):,})", title_justify="left")
    for heading in ("artist", "song", "since"):
        table.add_column(heading, overflow="fold")
    for each in found:
        table.add_row(plain(each.artist), plain(each.title or "every one"), each.since.isoformat(" ", "seconds"))
    console.print(table)


def _change(
    user: str,
    artist: str | None,
    song: tuple[str, str] | None,
    change: Callable[[Engine, int, str, str | None], bool],
    said: str,
    *,
    as_json: bool,
) -> None:
    if (artist is None) is (song is None):
        raise typer.BadParameter("name one artist, --artist NAME, or one song, --song ARTIST TITLE")
    name, title = (artist or "", None) if song is None else song
    with correcting(user) as engine:
        with snapshot(engine) as session:
            user_id = find_user(session.connection(), user).id
        changed = change(engine, user_id, name, title)
    if as_json:
        print_json({"changed": changed})
        return
    what = printable(name if title is None else f"{title} by {name}")
    already = "" if changed else " already, and nothing was changed"
    say(f"{what} {said} the statistics of {printable(user)}{already}")
