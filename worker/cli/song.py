import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from worker.cli.correcting import correcting
from worker.cli.merging import merge_song, split_song, twins
from worker.cli.question import open_snapshot
from worker.cli.terminal import AsJson, console, plain, print_json
from worker.operations import songs
from worker.operations.songs import LONGEST_MS, SHORTEST_MS, SongFacts, Told
from worker.report.wording import amount
from worker.settings import load_settings

desk = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="What was told about a song, and corrections that hold for all of its plays.",
)
desk.command("merge")(merge_song)
desk.command("split")(split_song)
desk.command()(twins)

_NONE: Final = "none"
_CLOCK: Final = re.compile(r"(?:(\d{1,2}):(?=\d\d:))?(\d{1,4}):([0-5]\d)")

Artist = Annotated[str, typer.Argument(metavar="ARTIST", help="The artist, in any spelling of the contract.")]
Title = Annotated[str, typer.Argument(metavar="TITLE", help="The title.")]
Duration = Annotated[
    str, typer.Option("--duration", metavar="M:SS", help="How long the song is, as in 4:05 or 1:02:00, or `none`.")
]


@desk.command()
def show(artist: Artist, title: Title, *, as_json: AsJson = False) -> None:
    """Show a song: its durations and albums as players told them, with their plays, and what it counts as."""
    with open_snapshot(load_settings()) as connection:
        facts = songs.show(connection, artist, title)
    if as_json:
        print_json(_as_json(facts))
        return
    table = Table(title=plain(f"{facts.title} by {facts.artist}"), title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(facts):
        table.add_row(name, plain(value))
    console.print(table)


@desk.command("set")
def set_facts(artist: Artist, title: Title, *, duration: Duration, as_json: AsJson = False) -> None:
    """Set how long a song is, for all of its plays, whatever players tell. `none`: as players tell, again."""
    with correcting(None) as engine:
        changed = songs.set_duration(engine, artist, title, _milliseconds(duration))
    if as_json:
        print_json({"changed": changed})
    else:
        said = "the next sweep computes its statistics again" if changed else "it was set like this already"
        console.print(said, highlight=False)


def _milliseconds(text: str) -> int | None:
    if text == _NONE:
        return None
    found = _CLOCK.fullmatch(text)
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    milliseconds = 1000 * (3600 * hours + 60 * minutes + seconds)
    if not SHORTEST_MS <= milliseconds <= LONGEST_MS:
        raise typer.BadParameter("must be from 0:01 to 24:00:00, as in 4:05, or `none`", param_hint="--duration")
    return milliseconds


def _rows(facts: SongFacts) -> Sequence[tuple[str, str]]:
    artist, title = facts.counts_as or (facts.artist, facts.title)
    ids = ", ".join(f"{name} {value}" for name, value in (facts.attributes or {}).items())
    return [
        ("counts as", f"{title} by {artist}" if facts.counts_as else "itself"),
        ("plays", f"{facts.plays:,}"),
        ("duration set by hand", _clock(facts.duration_set_ms)),
        ("durations as told", _listed(facts.durations, _clock)),
        ("albums as told", _listed(facts.albums, lambda album: album or _NONE)),
        ("ids", ids or _NONE),
        ("identity", facts.identity.hex),
    ]


def _listed(told: Sequence[Told], write: Callable[[Any], str]) -> str:
    return ", ".join(f"{write(each.value)} ({amount(each.plays, 'play')})" for each in told) or _NONE


def _clock(milliseconds: int | None) -> str:
    """Write a duration as `--duration` takes it, and mark one that no song has."""
    if milliseconds is None:
        return _NONE
    minutes, seconds = divmod(milliseconds // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return text if SHORTEST_MS <= milliseconds <= LONGEST_MS else f"{text}, not counted"


def _as_json(facts: SongFacts) -> dict[str, Any]:
    counts_as = facts.counts_as and dict(zip(("artist", "title"), facts.counts_as, strict=True))
    return {
        **vars(facts),
        "identity": facts.identity.hex,
        "counts_as": counts_as,
        "durations": [vars(each) for each in facts.durations],
        "albums": [vars(each) for each in facts.albums],
    }
