import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from worker.cli.question import open_snapshot
from worker.cli.terminal import complain
from worker.errors import InvalidEventError
from worker.importers.json_lines import event_of
from worker.privacy import export_lines
from worker.settings import load_settings

Name = Annotated[str, typer.Argument(metavar="USER")]


def export(user: Name) -> None:
    """Write everything about a user to standard output, as JSON Lines that `zik publish` accepts again.

    Lines that it would refuse are written too, and reported on standard error. Exit code 1 if there was one.
    """
    now, refused = datetime.now(UTC), 0
    with open_snapshot(load_settings()) as connection:
        for number, line in enumerate(export_lines(connection, user), start=1):
            sys.stdout.buffer.write(line + b"\n")
            try:
                event_of(line, now=now)
            except InvalidEventError as error:
                complain(f"line {number:,} is written, but `zik publish` would refuse it: {error}")
                refused += 1
    sys.stdout.buffer.flush()
    raise typer.Exit(code=1 if refused else 0)
