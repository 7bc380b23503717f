import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.question import OneUser, open_question
from worker.cli.terminal import AsJson, print_json, say
from worker.errors import ZikError
from worker.escaping import printable
from worker.report.page import page
from worker.report.year import year_of

WhichYear = Annotated[int | None, typer.Option("--year", "-y", min=1, max=9999, help="Default: this year.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="The file to write. Default: zik-USER-YEAR.html.")]


def report(*, user: OneUser, year: WhichYear = None, output: Output = None, as_json: AsJson = False) -> None:
    """Write a year of listening as one HTML file, to look at and to share."""
    with open_question(user) as question:
        answers = year_of(*question.of_user(), year or question.today.year, today=question.today)
    html = page(answers, made_on=datetime.now(UTC).date())
    path = output or Path(f"zik-{_as_file_name(answers.listener.username)}-{answers.number}.html")
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise ZikError(f"{path}: {error.strerror}; choose another file with --output") from None
    if as_json:
        print_json({"user": answers.listener.username, "year": answers.number, "file": str(path.absolute())})
    else:
        say(f"wrote {printable(str(path))}")


def _as_file_name(username: str) -> str:
    """A user name may contain slashes and other special characters."""
    return re.sub(r"[^\w-]", "_", username)
