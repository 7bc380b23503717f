from collections.abc import Iterator

from rich.console import Group
from rich.table import Table
from rich.text import Text

from worker.cli.question import Answer, AsCsv, At, InPeriod, MaybeUser, Question, open_question, span_name
from worker.cli.terminal import AsJson, plain, song_line
from worker.errors import ZikError
from worker.operations.now_playing import read_now_playing
from worker.report.wording import duration, share
from worker.settings import load_settings
from worker.statistics import Period, Totals, totals
from worker.stream.inspection import StreamInspector


def stats(
    *,
    user: MaybeUser = None,
    period: InPeriod = Period.ALL,
    at: At = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show how much was played, listened to and skipped, by one user or by everyone."""
    with open_question(user, period, at) as question:
        found = totals(question.listening, question.span)
        Answer(
            facts=question.facts(),
            name="totals",
            columns=(
                "plays", "listens", "skips", "ms_played", "songs", "artists", "listeners", "days", "first_day",
                "last_day",
            ),
            rows=[found] if found.plays else [],
            picture=lambda: Group(_table(question, found), *_now(question)),
            why_empty=lambda: question.why_empty("plays"),
        ).show(as_json=as_json, as_csv=as_csv)  # fmt: skip


def _table(question: Question, found: Totals) -> Table:
    table = Table(
        title=plain(f"Listening of {question.who}, {span_name(question.span)}"), title_justify="left", show_header=False
    )
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    rows = [
        ("plays", f"{found.plays:,}", ""),
        ("listens", f"{found.listens:,}", "plays that lasted long enough"),
        ("skips", f"{found.skips:,}", f"the other plays, {share(found.skips, found.plays)}"),
        ("time", duration(found.ms_played), "as far as players report it"),
        ("songs", f"{found.songs:,}", "with a listen"),
        ("artists", f"{found.artists:,}", "with a listen"),
        ("days", f"{found.days:,}", f"with plays, from {found.first_day} to {found.last_day}"),
    ]
    if question.user is None:
        rows.append(("listeners", f"{found.listeners:,}", ""))
    for row in rows:
        table.add_row(*row)
    return table


def _now(question: Question) -> Iterator[Text]:
    """What the user plays now. Redis knows it, and the statistics need no Redis."""
    if question.user is None:
        return
    try:
        with StreamInspector.opened(load_settings().redis_url) as stream:
            playing = read_now_playing(stream.now_playing_of(question.user.username))
    except ZikError:
        yield Text("what plays now is unknown: Redis is out of reach (zik doctor)", style="dim")
        return
    if playing is not None:
        yield Text(f"now playing: {song_line(playing)}")
