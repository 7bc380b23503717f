import os
import socket
from typing import Annotated

import typer
from rich.table import Table

from worker.cli.terminal import AsJson, console, print_json
from worker.drain.opening import opened_drain
from worker.escaping import printable
from worker.privacy.erasure import forget as forget_user
from worker.settings import load_settings

Name = Annotated[str, typer.Argument(metavar="USER")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def forget(user: Name, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Erase a person everywhere: account, history, statistics, dead letters, waiting events. Prints a receipt.

    `zik export` first, if anything is to be kept. Backups, and what the player itself keeps, are not zik's to erase.
    """
    if not yes:
        typer.confirm(f"Erase all that is known of '{printable(user)}', for good?", abort=True)
    consumer = f"{socket.gethostname()}:forget-{os.getpid()}"
    with opened_drain(load_settings(), consumer=consumer) as drain:
        receipt = forget_user(drain, user)
        drain.stream.retire(consumer)
    if as_json:
        print_json({"user": receipt.username, "erased": receipt.erased, "charts": receipt.charts})
        return
    table = Table(title="Erased", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for kind, count in receipt.erased.items():
        table.add_row(kind, f"{count:,}")
    table.add_row("charts drawn anew", f"{receipt.charts:,}", style="dim")
    console.print(table)
