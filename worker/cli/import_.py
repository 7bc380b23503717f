from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Annotated
from uuid import uuid4

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from worker.cli.backpressure import append_when_room
from worker.cli.import_options import named_options
from worker.cli.import_outcomes import no_outcomes, outcomes_by_the_books
from worker.cli.import_report import as_json as printed_as_json
from worker.cli.import_report import report
from worker.cli.terminal import AsJson, errors, print_json, say
from worker.errors import StreamUnavailableError
from worker.importers import Archive, Importer, Summary, open_archives, unmatched_loves
from worker.importers.options import clock_of, encoding_of
from worker.importers.run import marking, new_import_id
from worker.settings import load_settings

_INTERRUPTED = 130

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="Exports of Spotify, Last.fm, ListenBrainz, Maloja, Koito, Rockbox, Pano Scrobbler, Apple Music, YouTube "
        "Music, Tidal or Deezer, or a table; zipped, gzipped, in a folder or not.",
    ),
]
User = Annotated[str | None, typer.Option(metavar="NAME", help="User of the history. Overrides the file.")]
Timezone = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ZONE[@DAY]",
        help="Where the listener was, such as Europe/Berlin; for a move again, such as America/New_York@2023-05-01.",
    ),
]
Encoding = Annotated[
    str | None, typer.Option(metavar="NAME", help="Encoding of files that are not UTF-8, such as cp1252.")
]
Shift = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Add to every time, such as 4018d2h, of a clock that was reset.")
]
Undated = Annotated[
    str | None, typer.Option(metavar="DAY", help="The day for rows of a clock that was not set, such as those of 1970.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be published, and publish nothing.")]


def import_files(
    files: Files,
    *,
    user: User = None,
    timezone: Timezone = None,
    encoding: Encoding = None,
    shift: Shift = None,
    undated: Undated = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Publish listening histories. Importing the same or an overlapping history again adds nothing.

    Waits while ZIK_MAX_WAITING events or more are in the stream. Exit code 1 if a file or a row was refused.
    """
    summaries: list[Summary] = []
    stopped_by: BaseException | None = None
    with named_options():
        clock = clock_of(timezone or [], shift, undated, today=datetime.now(UTC).date())
        encoding = encoding_of(encoding)
    with ExitStack() as opened:
        archives, unread = open_archives(files, opened, encoding=encoding)
        for archive in archives:
            archive.prepare(user=user, has_timezone=clock.zones is not None)
        publishes_nothing = dry_run or not archives
        publish = (lambda _: None) if publishes_nothing else opened.enter_context(append_when_room(load_settings()))
        import_id = new_import_id(uuid4())
        publish = marking(import_id, publish)
        outcomes_of = no_outcomes if publishes_nothing else opened.enter_context(outcomes_by_the_books(load_settings()))
        importer = Importer(user=user, now=datetime.now(UTC), publish=publish, clock=clock)
        try:
            _import_all(archives, summaries, importer, quiet=as_json)
        except (KeyboardInterrupt, StreamUnavailableError) as error:
            stopped_by = error
        outcomes = outcomes_of(sum(summary.published for summary in summaries), may_wait=stopped_by is None)
    if as_json:
        print_json(printed_as_json(summaries, unread, outcomes))
    else:
        report(summaries, unread, dry_run=dry_run, stopped=stopped_by is not None, outcomes=outcomes)
        if not publishes_nothing and any(summary.plays for summary in summaries):
            say(f"this is import {import_id}; `zik import undo` takes it back")
    if isinstance(stopped_by, StreamUnavailableError):
        raise stopped_by
    refused = bool(unread) or any(summary.has_faults for summary in summaries)
    raise typer.Exit(_INTERRUPTED if stopped_by else int(refused))


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
