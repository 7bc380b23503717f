"""How commands speak: tables for people, JSON for programs, complaints on standard error."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from worker.books import Books
from worker.escaping import printable, steers

console = Console()
errors = Console(stderr=True)

# More rows than anybody has, and a number that both databases hold.
MOST_ROWS: Final = 10**9

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


def say(message: str) -> None:
    """Print text that is partly not ours: no markup is read into it, and the terminal breaks its lines."""
    console.print(message, markup=False, highlight=False, soft_wrap=True)


def plain(text: str) -> Text:
    """Text that is not ours, for a table: on one line, and no markup is read into it."""
    return Text(printable(text))


def complain(message: str) -> None:
    errors.print(f"zik: {message}", style="red", markup=False, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print it readably. What JSON leaves as it is and a terminal would obey is escaped, which means the same."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    typer.echo("".join(json.dumps(char)[1:-1] if steers(char) and char != "\n" else char for char in text))


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
    """The books as a reader adds them up: received = recorded + duplicate + dead + waiting + unaccounted.

    `pace` is by how much each figure changes in a second.
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
        ("waiting", f"in the stream, {books.pending:,} of them in a worker's hands"),
    ):
        table.add_row(
            name, f"{getattr(books, name):,}", *([f"{pace[name]:+,.0f}"] if pace is not None else []), meaning
        )
    table.add_section()
    verdict = "the books balance" if books.balanced else "somebody else deleted entries: see `zik doctor`"
    style = "bold green" if books.balanced else "bold red"
    table.add_row("unaccounted", f"{books.unaccounted:,}", *([] if pace is None else [""]), verdict, style=style)
    return table
