from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table
from sqlalchemy import Engine

from worker.cli.correcting import correcting
from worker.cli.question import open_snapshot
from worker.cli.terminal import AsJson, console, plain, print_json, say
from worker.database.engine import snapshot
from worker.escaping import printable
from worker.operations import merging
from worker.operations.merging import CatalogueSong, Suggestion
from worker.report.wording import amount
from worker.settings import load_settings

artist_desk = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Let an artist count as another one, and take it back."
)

# A song is named by artist and title, which quotes make two words, or by its number.
_WORDS = (1, 2)
_MOST_SUGGESTIONS = 10_000

TwoSongs = Annotated[
    list[str], typer.Argument(metavar="ARTIST TITLE ARTIST TITLE", help="The song, and what it is; or both numbers.")
]
OneSong = Annotated[list[str], typer.Argument(metavar="ARTIST TITLE", help="The song, or its number.")]
Artist = Annotated[str, typer.Argument(metavar="ARTIST", help="The artist, in any spelling.")]
IntoArtist = Annotated[str, typer.Argument(metavar="INTO", help="Whom it counts as, spelled as it is to be shown.")]


def merge_song(names: TwoSongs, *, as_json: AsJson = False) -> None:
    """Let a song count as another one, with its twins and all plays to come. `zik song split` takes it back."""
    half = len(names) // 2
    if len(names) != 2 * half or half not in _WORDS:
        raise typer.BadParameter("name artist and title of both songs, each in quotes, or give both numbers")
    with correcting(None) as engine:
        song, into = _named(engine, names[:half]), _named(engine, names[half:])
        merging.merge_songs(engine, song.id, into.id)
    if as_json:
        print_json({"merged": vars(song), "into": vars(into)})
    else:
        say(f"{_line(song)} counts as {_line(into)}; the next sweep computes its statistics again")


def split_song(name: OneSong, *, as_json: AsJson = False) -> None:
    """Take back the merge of a song, or, if there is none, take it from its twins for good."""
    if len(name) not in _WORDS:
        raise typer.BadParameter("name artist and title, each in quotes, or give the number")
    with correcting(None) as engine:
        song = _named(engine, name)
        undone = merging.split_song(engine, song.id)
    if as_json:
        print_json({"split": vars(song), "from": undone.value})
    else:
        what = "is merged no more" if undone is merging.Split.MERGE else "is no twin any more"
        say(f"{_line(song)} {what}; the next sweep computes its statistics again")


def twins(
    *,
    artist: Annotated[str | None, typer.Option("--artist", help="Only songs of this artist.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=_MOST_SUGGESTIONS, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Suggest songs that may be one: with guests, editions, accents or slips. Merge those that are by their numbers."""
    with open_snapshot(load_settings()) as connection:
        found = merging.suggest(connection, most=limit, artist=artist)
    if as_json:
        print_json([vars(each) for each in found])
        return
    table = Table(title=f"Songs that may be one ({len(found):,})", title_justify="left")
    for heading in ("number", "song", "may be number", "song", "why"):
        table.add_column(heading, overflow="fold")
    for each in found:
        table.add_row(*_row(each))
    console.print(table)


@artist_desk.command("merge")
def merge_artist(artist: Artist, into: IntoArtist, *, as_json: AsJson = False) -> None:
    """Let an artist count as another one: songs, albums and all plays to come."""
    with correcting(None) as engine:
        songs = merging.merge_artists(engine, artist, into)
    _say_filed(f"{printable(artist)} counts as {printable(into)}", songs, as_json=as_json)


@artist_desk.command("split")
def split_artist(artist: Artist, *, as_json: AsJson = False) -> None:
    """Take back the merge of an artist."""
    with correcting(None) as engine:
        songs = merging.split_artist(engine, artist)
    _say_filed(f"{printable(artist)} counts for itself again", songs, as_json=as_json)


def _say_filed(done: str, songs: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"filed": songs})
    else:
        say(f"{done}: filed {amount(songs, 'song')}; charts for everyone follow within the hour")


def _named(engine: Engine, words: Sequence[str]) -> CatalogueSong:
    with snapshot(engine) as session:
        if len(words) > 1:
            return merging.find_song(session.connection(), *words)
        if not words[0].isascii() or not words[0].isdigit():
            raise typer.BadParameter("one word names no song: give its number, or artist and title, each in quotes")
        return merging.song_by_id(session.connection(), int(words[0][:18]))


def _line(song: CatalogueSong) -> str:
    return printable(f"{song.title} by {song.artist}")


def _row(each: Suggestion) -> tuple[Any, ...]:
    newer, older = f"{each.title} by {each.artist}", f"{each.into_title} by {each.into_artist}"
    return str(each.song_id), plain(newer), str(each.into_id), plain(older), each.why
