import sys
from typing import Annotated

import typer

from worker.cli.question import asking
from worker.export import export as export_user
from worker.settings import load_settings
from worker.statistics.listener import listener

Name = Annotated[str, typer.Argument(metavar="USER")]


def export(user: Name) -> None:
    """Write all that is known of a user to standard output, as JSON Lines that `zik publish` accepts again."""
    with asking(load_settings()) as connection:
        for line in export_user(connection, listener(connection, user).id):
            sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()
