import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.question import OneUser, question
from worker.cli.terminal import AsJson, print_json, say
from worker.errors import ZikError
from worker.escaping import printable
from worker.report.page import page
from worker.report.year import year_of

WhichYear = Annotated[int | None, typer.Option("--year", "-y", min=1, max=9999, help="This year, if not given.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="The file, zik-USER-YEAR.html if not given.")]


def report(*, user: OneUser, year: WhichYear = None, output: Output = None, as_json: AsJson = False) -> None:
    """Write a year of listening as one HTML page that needs nothing else, to look at and to share."""
    with question(user) as asked:
        told = year_of(*asked.one, year or asked.today.year, today=asked.today)
    html = page(told, made_on=datetime.now(UTC).date())
    path = output or Path(f"zik-{_harmless(told.listener.username)}-{told.number}.html")
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise ZikError(f"{path}: {error.strerror}; choose another file with --output") from None
    if as_json:
        print_json({"user": told.listener.username, "year": told.number, "file": str(path.absolute())})
    else:
        say(f"wrote {printable(str(path))}")


def _harmless(username: str) -> str:
    """A name may hold slashes and worse."""
    return re.sub(r"[^\w-]", "_", username)
