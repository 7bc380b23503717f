from collections.abc import Iterator
from types import SimpleNamespace
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from worker.cli.question import (
    Answer,
    AsCsv,
    At,
    From,
    InPeriod,
    MaybeUser,
    Question,
    To,
    When,
    open_question,
    span_name,
)
from worker.cli.terminal import AsJson, plain, song_line
from worker.errors import ZikError
from worker.operations.now_playing import read_now_playing
from worker.report.wording import duration, share
from worker.settings import load_settings
from worker.statistics import Period, Span, Totals, totals, year_before
from worker.stream.inspection import StreamInspector

_FIGURES: Final = ("plays", "listens", "skips", "ms_played", "songs", "artists", "listeners", "days")
# What a row of the table is called, where it is not as its figure.
_ROWS: Final = {"ms_played": "time"}


def stats(
    *,
    user: MaybeUser = None,
    period: InPeriod = Period.ALL,
    at: At = None,
    from_: From = None,
    to: To = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show how much was played, listened to and skipped, by one user or by everyone."""
    with open_question(user, When(period, at, from_, to)) as question:
        found = totals(question.listening, question.span)
        before = year_before(question.span, today=question.today) if found.plays else None
        compared = None if before is None else totals(question.listening, before)
        Answer(
            facts={**question.facts(), "year_before": before and {"first": before.first, "last": before.last}},
            name="totals",
            columns=(*_FIGURES, "first_day", "last_day", *(_earlier(name) for name in _FIGURES if compared)),
            rows=[_row(found, compared)] if found.plays else [],
            picture=lambda: Group(_table(question, found, before, compared), *_now(question)),
            why_empty=lambda: question.why_empty("plays"),
        ).show(as_json=as_json, as_csv=as_csv)


def _earlier(name: str) -> str:
    return f"{name}_year_before"


def _row(found: Totals, compared: Totals | None) -> SimpleNamespace:
    figures = {name: getattr(found, name) for name in (*_FIGURES, "first_day", "last_day")}
    return SimpleNamespace(**figures, **{_earlier(name): getattr(compared, name) for name in _FIGURES if compared})


def _table(question: Question, found: Totals, before: Span | None, compared: Totals | None) -> Table:
    title = plain(f"Listening of {question.who}, {span_name(question.span)}")
    table = Table(title=title, title_justify="left", show_header=before is not None)
    table.add_column()
    table.add_column(justify="right")
    if before is not None:
        table.add_column(f"a year before:\n{span_name(before)}", justify="right")
    table.add_column(style="dim")
    notes = {
        "listens": "plays that lasted long enough",
        "skips": f"the other plays, {share(found.skips, found.plays)}",
        "ms_played": "as far as players report it",
        "songs": "with a listen",
        "artists": "with a listen",
        "days": f"with plays, from {found.first_day} to {found.last_day}",
    }
    earlier = _shown(compared) if compared else {}
    for name, figure in _shown(found).items():
        if name != "listeners" or question.user is None:
            table.add_row(_ROWS.get(name, name), figure, *([earlier[name]] if compared else []), notes.get(name, ""))
    return table


def _shown(figures: Totals) -> dict[str, str]:
    counts = {name: f"{getattr(figures, name):,}" for name in _FIGURES}
    return {**counts, "ms_played": duration(figures.ms_played)}


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
