"""What `zik import` tells: a row of a table for each format, and the refused rows with their places."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from rich.table import Table

from worker.cli.terminal import complain, console, errors, print_json, say
from worker.importers.formats import known_formats
from worker.importers.importer import Summary
from worker.importers.rows import NO_SONG
from worker.report.wording import amount


def tell(summaries: list[Summary], complaints: list[str], *, dry_run: bool, ended: bool) -> None:
    for complaint in complaints:
        complain(complaint)
    if complaints:
        errors.print(
            f"zik knows a file by what it holds:\n{known_formats()}", markup=False, highlight=False, soft_wrap=True
        )
    for summary in summaries:
        for place, reason, detail in summary.shown:
            line = f"{summary.name}:{place}: {reason}: {detail}"
            style = "dim" if reason == NO_SONG else "red"
            errors.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
    if summaries:
        console.print(_table(summaries))
    events = sum(summary.published for summary in summaries)
    say(f"{'would publish' if dry_run else 'published'} {amount(events, 'event')}")
    if ended:
        where = f" in {summaries[-1].name}" if summaries else ""
        say(f"stopped{where}; the same command goes on, and what is published already adds nothing")


def tell_json(summaries: list[Summary], complaints: list[str]) -> None:
    print_json({"files": [_as_json(summary) for summary in summaries], "unread": complaints})


def _table(summaries: list[Summary]) -> Table:
    table = Table()
    table.add_column("format", overflow="fold")
    for title in ("plays", "favorites"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("days", no_wrap=True)
    table.add_column("refused", no_wrap=True)
    for name in dict.fromkeys(summary.format for summary in summaries):
        table.add_row(name, *_cells([summary for summary in summaries if summary.format == name]))
    return table


def _cells(summaries: list[Summary]) -> Iterable[str]:
    refused = sum((summary.refused for summary in summaries), Counter[str]())
    days = [day for summary in summaries for day in (summary.first, summary.last) if day]
    counts = (sum(s.plays for s in summaries), sum(s.favorites for s in summaries))
    told = "\n".join(f"{count:,} {reason}" for reason, count in sorted(refused.items()))
    return (*(f"{count:,}" for count in counts), f"{min(days)}\n{max(days)}" if days else "", told)


def _as_json(summary: Summary) -> dict[str, Any]:
    return {
        "file": summary.name,
        "format": summary.format,
        "published": summary.published,
        "plays": summary.plays,
        "favorites": summary.favorites,
        "first_day": summary.first,
        "last_day": summary.last,
        "refused": dict(summary.refused),
        "first_refusals": [refusal._asdict() for refusal in summary.shown],
    }
