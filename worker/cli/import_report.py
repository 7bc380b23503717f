"""Show what an import has done: what was read and left out, and what the books say about what was published."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.table import Table

from worker.books import Outcomes
from worker.cli.terminal import complain, console, errors, say
from worker.importers import Summary
from worker.importers.formats import READABLE, described_formats
from worker.importers.rows import Refusal
from worker.report.wording import amount


def report(
    summaries: list[Summary], unread: list[str], *, dry_run: bool, stopped: bool, outcomes: Outcomes | None
) -> None:
    for message in unread:
        complain(message)
    if any(READABLE in message for message in unread):
        described = f"zik recognises files by their content:\n{described_formats()}"
        errors.print(described, markup=False, highlight=False, soft_wrap=True)
    for summary in summaries:
        _show(summary, summary.shown, "red")
        _show(summary, summary.shown_details, "dim")
    if summaries:
        console.print(_table(summaries))
    for line in _remarks(summaries):
        say(line)
    events = sum(summary.published for summary in summaries)
    say(f"{'would publish' if dry_run else 'published'} {amount(events, 'event')}{_fate(outcomes)}")
    if stopped:
        where = f" in {summaries[-1].name}" if summaries else ""
        say(f"stopped{where}; run the same command again to continue, nothing is recorded twice")


def _show(summary: Summary, refusals: list[Refusal], style: str) -> None:
    for place, reason, detail in refusals:
        line = f"{summary.name}:{place}: {reason}: {detail}"
        errors.print(line, style=style, markup=False, highlight=False, soft_wrap=True)


def _remarks(summaries: list[Summary]) -> Iterable[str]:
    left_out = _total(summary.left_out for summary in summaries)
    if left_out:
        yield f"left out: {', '.join(amount(count, kind) for kind, count in sorted(left_out.items()))}"
    details = _total(summary.details for summary in summaries)
    if details:
        names = ", ".join(f"{name} of {amount(count, 'event')}" for name, count in sorted(details.items()))
        yield f"details left out, because they break the contract: {names}"
    if dates_only := sum(summary.dates_only for summary in summaries):
        yield f"{amount(dates_only, 'event')} with a date and no time: recorded at noon, equal rows a second apart"
    years: Counter[int] = sum((summary.years for summary in summaries), Counter())
    if years:
        counts = ", ".join(f"{amount(count, 'row')} of {year}" for year, count in sorted(years.items()))
        yield f"refused, because the player's clock was not set: {counts}; add --undated DAY, or --shift DURATION"


def _fate(outcomes: Outcomes | None) -> str:
    if outcomes is None:
        return ""
    figures = (
        f"{outcomes.recorded:,} new, {outcomes.duplicate:,} already there, {outcomes.waiting:,} waiting for a worker"
        + (f", {outcomes.dead:,} refused by a worker (zik dead list)" if outcomes.dead else "")
    )
    if outcomes.others:
        return f"; by the books since the import began, with {amount(outcomes.others, 'event')} of others: {figures}"
    return f": {figures}"


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
    refused = _total(summary.refused for summary in summaries)
    days = [day for summary in summaries for day in (summary.first_day, summary.last_day) if day]
    counts = (sum(summary.plays for summary in summaries), sum(summary.favorites for summary in summaries))
    reasons = "\n".join(f"{count:,} {reason}" for reason, count in sorted(refused.items()))
    return (*(f"{count:,}" for count in counts), f"{min(days)}\n{max(days)}" if days else "", reasons)


def _total(counts: Iterable[Counter[str]]) -> Counter[str]:
    return sum(counts, Counter[str]())


def as_json(summaries: list[Summary], unread: list[str], outcomes: Outcomes | None) -> dict[str, Any]:
    return {
        "files": [_file_as_json(summary) for summary in summaries],
        "unread": unread,
        "outcomes": asdict(outcomes) if outcomes else None,
    }


def _file_as_json(summary: Summary) -> dict[str, Any]:
    return {
        "file": summary.name,
        "format": summary.format,
        "published": summary.published,
        "plays": summary.plays,
        "favorites": summary.favorites,
        "first_day": summary.first_day,
        "last_day": summary.last_day,
        "dates_only": summary.dates_only,
        "refused": dict(summary.refused),
        "left_out": dict(summary.left_out),
        "details_left_out": dict(summary.details),
        "first_refusals": [refusal._asdict() for refusal in summary.shown],
    }
