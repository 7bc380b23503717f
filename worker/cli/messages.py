"""Messages to people and programs, without rich: what a command needs that a probe runs every few seconds."""

import json
from typing import Annotated, Any, Final

import typer

from worker.escaping import steers

# More rows than anyone has, and a number that both databases hold.
MOST_ROWS: Final = 10**9

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


def say(message: str) -> None:
    """Print text as it is. Escape what is not ours first: see `worker.escaping.printable`."""
    typer.echo(message)


def complain(message: str) -> None:
    """Print an error on standard error."""
    from worker.cli.terminal import errors  # noqa: PLC0415 -- rich is slow to import, and most commands do not fail

    errors.print(f"zik: {message}", style="red", markup=False, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print it readably. What JSON leaves as it is and a terminal would obey is escaped, which means the same."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    typer.echo("".join(json.dumps(char)[1:-1] if steers(char) and char != "\n" else char for char in text))
