from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from worker.cli.import_report import tell, tell_json
from worker.cli.patience import patient_append
from worker.cli.terminal import AsJson, errors
from worker.errors import StreamUnavailableError
from worker.importers.archive import Export, open_exports
from worker.importers.importer import Importer, Summary, unexplained
from worker.settings import load_settings

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
        publish = (lambda _: None) if dry_run or not exports else opened.enter_context(patient_append(load_settings()))
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
