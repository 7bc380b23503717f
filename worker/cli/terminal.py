"""What commands show on a terminal: tables and progress by rich, and the messages of `worker.cli.messages`."""

from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from worker.books import Books
from worker.cli.messages import MOST_ROWS, AsJson, complain, print_json, say
from worker.escaping import printable
from worker.operations.now_playing import NowPlaying

__all__ = [
    "MOST_ROWS", "AsJson", "books_table", "complain", "console", "errors", "plain", "print_json", "progress", "say",
    "song_line",
]  # fmt: skip

console = Console()
errors = Console(stderr=True)


def plain(text: str) -> Text:
    """Text that is not ours, for a table: on one line, and no markup is read into it."""
    return Text(printable(text))


def song_line(playing: NowPlaying) -> str:
    """What plays now, on one line: `Parabola by Tool`."""
    return printable(f"{playing.song.title} by {playing.song.artist}")


def progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def books_table(books: Books, pace: Mapping[str, float] | None = None) -> Table:
    """The books as a sum: received = recorded + duplicate + dead + waiting + unaccounted.

    `pace` is the change of each figure a second.
    """
    table = Table(title="The books", title_justify="left", show_header=pace is not None)
    table.add_column(justify="left")
    table.add_column("events", justify="right")
    if pace is not None:
        table.add_column("a second", justify="right")
    table.add_column(style="dim")
    for name, meaning in (
        ("received", "accepted by Redis"),
        ("recorded", "stored, once"),
        ("duplicate", "recognised, nothing changed"),
        ("dead", "not recordable, kept with the reason"),
        ("waiting", f"in the stream, {books.pending:,} held by workers"),
    ):
        table.add_row(
            name, f"{getattr(books, name):,}", *([f"{pace[name]:+,.0f}"] if pace is not None else []), meaning
        )
    table.add_section()
    verdict = "the books balance" if books.balanced else "another program deleted entries: see `zik doctor`"
    style = "bold green" if books.balanced else "bold red"
    table.add_row("unaccounted", f"{books.unaccounted:,}", *([] if pace is None else [""]), verdict, style=style)
    return table
