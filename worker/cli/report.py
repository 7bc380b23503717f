import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from worker.cli.question import MaybeUser, Question, open_question
from worker.cli.terminal import AsJson, print_json, say
from worker.errors import ZikError
from worker.escaping import printable
from worker.report.card import as_png
from worker.report.card import card as draw_card
from worker.report.page import page
from worker.report.year import Year, report_of
from worker.statistics import Period, Span, span

_CARDS: Final = (".svg", ".png")


def _as_month(text: str) -> date:
    try:
        month = date.fromisoformat(f"{text}-01")
    except ValueError:
        month = date.min
    # The months around it must exist, too.
    if not date.min.year + 1 < month.year < date.max.year:
        raise typer.BadParameter("must be a month, as in 2026-11")
    return month


Everyone = Annotated[bool, typer.Option("--everyone", help="Report on all users.")]
WhichYear = Annotated[int | None, typer.Option("--year", "-y", min=2, max=9998, help="Default: this year.")]
WhichMonth = Annotated[
    date | None,
    typer.Option("--month", "-m", parser=_as_month, metavar="YYYY-MM", help="Report on a month instead of a year."),
]
Name = Annotated[
    str | None, typer.Option("--name", help="What the page calls the listener. Default: the name of the account.")
]
Card = Annotated[
    Path | None,
    typer.Option(
        "--card", metavar="FILE.svg|.png", help="Write a card to share instead. It names you only with --name."
    ),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="The file to write. Default: zik-USER-YEAR.html.")]


def report(
    *,
    user: MaybeUser = None,
    everyone: Everyone = False,
    year: WhichYear = None,
    month: WhichMonth = None,
    name: Name = None,
    card: Card = None,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Write a year or a month of listening as one HTML file, to look at and to share.

    `--card` writes a picture of 1080 by 1350 instead.
    """
    if (user is None) is not everyone:
        raise typer.BadParameter("choose one: --user NAME, or --everyone")
    if year is not None and month is not None:
        raise typer.BadParameter("choose one: --year or --month")
    if card and card.suffix not in _CARDS:
        raise typer.BadParameter("--card must end in .svg or .png")
    with open_question(user) as question:
        wanted = _wanted(question, year, month)
        answers = report_of(question.listening, question.user, wanted, today=question.today)
    if card:
        path, content = card, _drawn(answers, card.suffix, name)
    else:
        path = output or Path(f"zik-{_as_file_name(answers)}.html")
        content = page(answers, made_on=datetime.now(UTC).date(), name=name).encode()
    _write(path, content)
    if as_json:
        print_json(
            {"user": user and question.who, "first": wanted.first, "last": wanted.last, "file": str(path.absolute())}
        )
    else:
        say(f"wrote {printable(str(path))}")


def _wanted(question: Question, year: int | None, month: date | None) -> Span:
    if month is not None:
        return span(Period.MONTH, month)
    return span(Period.YEAR, question.today if year is None else date(year, 1, 1))


def _as_file_name(answers: Year) -> str:
    """A user name may contain slashes and other special characters."""
    who = re.sub(r"[^\w-]", "_", answers.listener.username) if answers.listener else "everyone"
    first = answers.span.first
    return f"{who}-{first:%Y-%m}" if answers.span.period is Period.MONTH else f"{who}-{first.year}"


def _drawn(answers: Year, suffix: str, name: str | None) -> bytes:
    svg = draw_card(answers, name=name)
    return as_png(svg) if suffix == ".png" else svg.encode()


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ZikError(f"{path}: {error.strerror}; choose another file with --output or --card") from None
