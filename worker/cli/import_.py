from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any
from uuid import uuid4
from zoneinfo import ZoneInfo, available_timezones

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from worker.cli.backpressure import append_when_room
from worker.cli.terminal import AsJson, complain, console, errors, print_json, say
from worker.errors import StreamUnavailableError
from worker.importers import Archive, Importer, Summary, open_archives, unmatched_loves
from worker.importers.formats import described_formats
from worker.importers.rows import NO_SONG
from worker.importers.run import marking, new_import_id
from worker.report.wording import amount
from worker.settings import load_settings

_INTERRUPTED = 130

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="Exports of Spotify, Last.fm, ListenBrainz, Maloja, Koito or Rockbox, or a table; zipped or not.",
    ),
]
User = Annotated[str | None, typer.Option(metavar="NAME", help="User of the history. Overrides the file.")]
Timezone = Annotated[
    str | None, typer.Option(metavar="ZONE", help="Where the listener was, for local times, such as Europe/Berlin.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be published, and publish nothing.")]


def import_files(
    files: Files, *, user: User = None, timezone: Timezone = None, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Publish listening histories. Importing the same or an overlapping history again adds nothing.

    Waits while ZIK_MAX_WAITING events or more are in the stream. Exit code 1 if a file or a row was refused.
    """
    summaries: list[Summary] = []
    stopped_by: BaseException | None = None
    with ExitStack() as opened:
        archives, unread = open_archives(files, opened)
        zone = _zone(timezone)
        for archive in archives:
            archive.prepare(user=user, timezone=zone)
        publishes_nothing = dry_run or not archives
        publish = (lambda _: None) if publishes_nothing else opened.enter_context(append_when_room(load_settings()))
        import_id = new_import_id(uuid4())
        publish = marking(import_id, publish)
        try:
            _import_all(archives, summaries, Importer(user=user, now=datetime.now(UTC), publish=publish), quiet=as_json)
        except (KeyboardInterrupt, StreamUnavailableError) as error:
            stopped_by = error
    if as_json:
        print_json({"files": [_as_json(summary) for summary in summaries], "unread": unread})
    else:
        _report(summaries, unread, dry_run=dry_run, stopped=stopped_by is not None)
        if not publishes_nothing and any(summary.plays for summary in summaries):
            say(f"this is import {import_id}; `zik import undo` takes it back")
    if isinstance(stopped_by, StreamUnavailableError):
        raise stopped_by
    refused = bool(unread) or any(summary.has_faults for summary in summaries)
    raise typer.Exit(_INTERRUPTED if stopped_by else int(refused))


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    if name not in available_timezones():
        raise typer.BadParameter("no such time zone; use a name such as Europe/Berlin", param_hint="--timezone")
    return ZoneInfo(name)


def _import_all(archives: list[Archive], summaries: list[Summary], importer: Importer, *, quiet: bool) -> None:
    """Import all parts. `summaries` is filled as they progress, so that it is complete after an exception too."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=quiet) as progress:
        bar = progress.add_task("importing", total=sum(part.size for archive in archives for part in archive.parts))
        bytes_before = 0
        for archive in archives:
            for part in archive.parts:
                on_progress = partial(_show_progress, progress, bar, bytes_before)
                for summary in importer.import_part(archive, part, on_progress):
                    if not summaries or summaries[-1] is not summary:
                        summaries.append(summary)
                bytes_before += part.size
            summaries += filter(None, [unmatched_loves(archive)])


def _show_progress(progress: Progress, bar: TaskID, bytes_before: int, part_bytes: int) -> None:
    progress.update(bar, completed=bytes_before + part_bytes)


def _report(summaries: list[Summary], unread: list[str], *, dry_run: bool, stopped: bool) -> None:
    for message in unread:
        complain(message)
    if unread:
        described = f"zik recognises files by their content:\n{described_formats()}"
        errors.print(described, markup=False, highlight=False, soft_wrap=True)
    for summary in summaries:
        for place, reason, detail in summary.shown:
            line = f"{summary.name}:{place}: {reason}: {detail}"
            style = "dim" if reason == NO_SONG else "red"
            errors.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
    if summaries:
        console.print(_table(summaries))
    events = sum(summary.published for summary in summaries)
    say(f"{'would publish' if dry_run else 'published'} {amount(events, 'event')}")
    if stopped:
        where = f" in {summaries[-1].name}" if summaries else ""
        say(f"stopped{where}; run the same command again to continue, nothing is recorded twice")


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
    days = [day for summary in summaries for day in (summary.first_day, summary.last_day) if day]
    counts = (sum(summary.plays for summary in summaries), sum(summary.favorites for summary in summaries))
    reasons = "\n".join(f"{count:,} {reason}" for reason, count in sorted(refused.items()))
    return (*(f"{count:,}" for count in counts), f"{min(days)}\n{max(days)}" if days else "", reasons)


def _as_json(summary: Summary) -> dict[str, Any]:
    return {
        "file": summary.name,
        "format": summary.format,
        "published": summary.published,
        "plays": summary.plays,
        "favorites": summary.favorites,
        "first_day": summary.first_day,
        "last_day": summary.last_day,
        "refused": dict(summary.refused),
        "first_refusals": [refusal._asdict() for refusal in summary.shown],
    }
