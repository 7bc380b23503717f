from rich.table import Table

from worker.cli.question import Answer, AsCsv, Asked, At, InPeriod, MaybeUser, question
from worker.cli.terminal import AsJson, plain
from worker.report.wording import duration, share, span_name
from worker.statistics.periods import Period
from worker.statistics.questions.totals import Totals, totals


def stats(
    *,
    user: MaybeUser = None,
    period: InPeriod = Period.ALL,
    at: At = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Tell how much was played, listened to and skipped: by one user, or by everyone."""
    with question(user, period, at) as asked:
        found = totals(asked.listening, asked.span)
        Answer(
            facts=asked.facts(),
            name="totals",
            columns=(
                "plays", "listens", "skips", "ms_played", "songs", "artists", "listeners", "days", "first_day",
                "last_day",
            ),
            rows=[found] if found.plays else [],
            picture=lambda: _table(asked, found),
            why_nothing=lambda: asked.why_nothing("plays"),
        ).tell(as_json=as_json, as_csv=as_csv)  # fmt: skip


def _table(asked: Asked, found: Totals) -> Table:
    table = Table(
        title=plain(f"Listening of {asked.whose}, {span_name(asked.span)}"), title_justify="left", show_header=False
    )
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    rows = [
        ("plays", f"{found.plays:,}", ""),
        ("listens", f"{found.listens:,}", "plays that count: heard for long enough"),
        ("skips", f"{found.skips:,}", f"the other plays, {share(found.skips, found.plays)}"),
        ("time", duration(found.ms_played), "as far as players told it"),
        ("songs", f"{found.songs:,}", "with a listen"),
        ("artists", f"{found.artists:,}", "with a listen"),
        ("days", f"{found.days:,}", f"with plays, from {found.first_day} to {found.last_day}"),
    ]
    if asked.user is None:
        rows.append(("listeners", f"{found.listeners:,}", ""))
    for row in rows:
        table.add_row(*row)
    return table
