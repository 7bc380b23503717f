import sys
from typing import Annotated

import typer

from worker.database import opened_engine, snapshot
from worker.export import export as export_user
from worker.settings import load_settings
from worker.statistics.listener import listener

Name = Annotated[str, typer.Argument(metavar="USER")]


def export(user: Name) -> None:
    """Write all that is known of a user to standard output, as JSON Lines that `zik publish` accepts again."""
    with opened_engine(load_settings().database_url) as engine, snapshot(engine) as session:
        connection = session.connection()
        for line in export_user(connection, listener(connection, user).id):
            sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()
