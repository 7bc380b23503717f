"""The command `zik`: a command's module is imported when the command is called."""

import sys

import typer

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


@app.callback()
def _zik() -> None:
    pass


def main() -> None:
    """Run the command line. An error that zik raised on purpose becomes one message and exit code 1."""
    set_up_logs()
    try:
        app(prog_name="zik")
    except ZikError as error:
        complain(str(error))
        sys.exit(1)
