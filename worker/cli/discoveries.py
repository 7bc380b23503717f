from collections.abc import Sequence

from rich.table import Table

from worker.cli.question import Answer, AsCsv, At, From, InPeriod, Limit, OneUser, To, When, open_question, span_name
from worker.cli.terminal import AsJson, plain
from worker.statistics import Discovery, Period
from worker.statistics import discoveries as latest_discoveries


def discoveries(
    *,
    user: OneUser,
    period: InPeriod = Period.ALL,
    at: At = None,
    from_: From = None,
    to: To = None,
    limit: Limit = 20,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List the songs that a user listened to for the first time, newest first."""
    with open_question(user, When(period, at, from_, to)) as question:
        listening, _ = question.of_user()
        found = latest_discoveries(listening, question.span, most=limit)
        title = f"Discoveries of {question.who}, {span_name(question.span)}"
        Answer(
            facts=question.facts(),
            name="discoveries",
            columns=("day", "title", "artist"),
            rows=found,
            picture=lambda: _table(found, title),
            why_empty=lambda: question.why_empty("first listens"),
        ).show(as_json=as_json, as_csv=as_csv)


def _table(found: Sequence[Discovery], title: str) -> Table:
    table = Table(title=plain(title), title_justify="left")
    table.add_column("day", no_wrap=True, style="dim")
    table.add_column("song", overflow="fold")
    table.add_column("artist", overflow="fold")
    for discovery in found:
        table.add_row(str(discovery.day), plain(discovery.title), plain(discovery.artist))
    return table
