from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from worker.cli.backpressure import append_when_room
from worker.cli.terminal import AsJson, complain, console, errors, print_json, say
from worker.errors import StreamUnavailableError
from worker.importers.archive import Export, open_exports
from worker.importers.formats import known_formats
from worker.importers.importer import Importer, Summary, unexplained
from worker.importers.rows import NO_SONG
from worker.report.wording import amount
from worker.settings import load_settings


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


_INTERRUPTED = 130

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="Exports of Spotify, Last.fm, ListenBrainz, Maloja, Koito or Rockbox, or a table; zipped or not.",
    ),
]
User = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Whose history it is, whatever the file says of it."),
]
Timezone = Annotated[
    str | None, typer.Option(metavar="ZONE", help="Where the listener was, for local times: Europe/Berlin.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Publish nothing; only tell what would be.")]


def import_files(
    files: Files, *, user: User = None, timezone: Timezone = None, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Publish listening histories. Importing one again, or one that overlaps, adds nothing.

    Waits while ZIK_MAX_WAITING events or more are in the stream.
    Exit code 1 if a file or a row of one was refused.
    """
    done: list[Summary] = []
    ended: BaseException | None = None
    with ExitStack() as opened:
        exports, complaints = open_exports(files, opened)
        zone = _zone(timezone)
        for export in exports:
            export.prepare(user=user, timezone=zone)
        publish = (
            (lambda _: None) if dry_run or not exports else opened.enter_context(append_when_room(load_settings()))
        )
        try:
            _import_all(exports, done, Importer(user=user, now=datetime.now(UTC), publish=publish), quiet=as_json)
        except (KeyboardInterrupt, StreamUnavailableError) as error:
            ended = error
    if as_json:
        tell_json(done, complaints)
    else:
        tell(done, complaints, dry_run=dry_run, ended=ended is not None)
    if isinstance(ended, StreamUnavailableError):
        raise ended
    refused = bool(complaints) or any(summary.has_faults for summary in done)
    raise typer.Exit(_INTERRUPTED if ended else int(refused))


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    if name not in available_timezones():
        raise typer.BadParameter("no such time zone; name one as in Europe/Berlin", param_hint="--timezone")
    return ZoneInfo(name)


def _import_all(exports: list[Export], done: list[Summary], importer: Importer, *, quiet: bool) -> None:
    """Import part after part, and keep in `done` what each comes to, also where this ends half-way."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=quiet) as progress:
        bar = progress.add_task("importing", total=sum(part.size for export in exports for part in export.parts))
        before = 0
        for export in exports:
            for part in export.parts:
                moved = partial(_advance, progress, bar, before)
                for summary in importer.read(export, part, moved):
                    if not done or done[-1] is not summary:
                        done.append(summary)
                before += part.size
            done += filter(None, [unexplained(export)])


def _advance(progress: Progress, bar: TaskID, before: int, size: int) -> None:
    progress.update(bar, completed=before + size)
