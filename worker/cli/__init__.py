"""The command `zik`: a command's module is imported when the command is called."""

import sys
from typing import Annotated

import typer

from worker import __version__
from worker.cli.commands import LazyGroup
from worker.cli.messages import complain
from worker.errors import ZikError
from worker.logs import set_up_logs

__all__ = ["app", "main"]

app = typer.Typer(
    cls=LazyGroup,
    name="zik",
    help="zik records what people listen to: every accepted event once, and the books balance.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"zik {__version__}")
        raise typer.Exit


@app.callback()
def _zik(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line. An error that zik raised on purpose becomes one message and exit code 1."""
    set_up_logs()
    try:
        app(prog_name="zik")
    except ZikError as error:
        complain(str(error))
        sys.exit(1)
