from collections.abc import Sequence

from rich.table import Table

from worker.cli.question import Answer, AsCsv, At, InPeriod, Limit, OneUser, question
from worker.cli.terminal import AsJson, plain
from worker.report.wording import span_name
from worker.statistics.periods import Period
from worker.statistics.questions.discoveries import Discovery
from worker.statistics.questions.discoveries import discoveries as first_listens


def discoveries(
    *,
    user: OneUser,
    period: InPeriod = Period.ALL,
    at: At = None,
    limit: Limit = 20,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List the songs that somebody listened to for the first time, the newest first."""
    with question(user, period, at) as asked:
        listening, _ = asked.one
        found = first_listens(listening, asked.span, most=limit)
        title = f"Discoveries of {asked.whose}, {span_name(asked.span)}"
        Answer(
            facts=asked.facts(),
            name="discoveries",
            columns=("day", "title", "artist"),
            rows=found,
            picture=lambda: _table(found, title),
            why_nothing=lambda: asked.why_nothing("first listens"),
        ).tell(as_json=as_json, as_csv=as_csv)


def _table(found: Sequence[Discovery], title: str) -> Table:
    table = Table(title=plain(title), title_justify="left")
    table.add_column("day", no_wrap=True, style="dim")
    table.add_column("song", overflow="fold")
    table.add_column("artist", overflow="fold")
    for discovery in found:
        table.add_row(str(discovery.day), plain(discovery.title), plain(discovery.artist))
    return table
