from typing import Annotated

import typer
from rich.table import Table

from worker.cli.terminal import AsJson, complain, console, print_json
from worker.cli.token import NOT_ANNOUNCED
from worker.drain.opening import opened_drain
from worker.escaping import printable
from worker.privacy import erase
from worker.settings import load_settings
from worker.stream.consumer_names import process_consumer

Name = Annotated[str, typer.Argument(metavar="USER")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def forget(user: Name, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Erase a person everywhere: account, tokens, history, dead letters, waiting events. Prints a receipt.

    Run `zik export` first to keep a copy. zik cannot erase backups, or what the player keeps.
    """
    if not yes:
        typer.confirm(f"Erase everything about '{printable(user)}', for good?", abort=True)
    with opened_drain(load_settings(), consumer=process_consumer("forget")) as drain:
        receipt = erase(drain, user)
    if not receipt.announced:
        complain(NOT_ANNOUNCED)
    if as_json:
        print_json({"user": receipt.username, "erased": receipt.erased, "charts": receipt.charts})
        return
    table = Table(title="Erased", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for kind, count in receipt.erased.items():
        table.add_row(kind, f"{count:,}")
    table.add_row("charts drawn again", f"{receipt.charts:,}", style="dim")
    console.print(table)
