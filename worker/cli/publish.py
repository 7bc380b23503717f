import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from worker.cli.backpressure import Append, append_when_room
from worker.cli.terminal import AsJson, console, errors, print_json
from worker.importers.json_lines import Published, lines_of, publish_lines
from worker.report.wording import amount
from worker.settings import load_settings

Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="JSON Lines, plain or gzip; - is standard input.")]


def publish(files: Files, *, as_json: AsJson = False) -> None:
    """Publish events from files. Invalid lines are reported and skipped.

    The readable lines of a truncated or damaged file are published, and the place where it breaks is reported.
    Exit code 1 after an invalid line or a broken file. Waits while ZIK_MAX_WAITING events or more are in the stream.
    """
    done: dict[str, Published] = {}
    with append_when_room(load_settings()) as append, _progress(quiet=as_json) as progress:
        for name in files:
            done[name] = _publish_file(append, name, progress)
    if as_json:
        print_json({name: _as_json(published) for name, published in done.items()})
    else:
        _report(done)
    raise typer.Exit(code=0 if all(published.is_whole for published in done.values()) else 1)


def _publish_file(append: Append, name: str, progress: Progress) -> Published:
    with _opened(name) as file:
        size = Path(name).stat().st_size if name != "-" else None
        bar = progress.add_task(name if name != "-" else "standard input", total=size)
        read = 0

        def counted(lines: Iterable[bytes]) -> Iterator[bytes]:
            nonlocal read
            for line in lines:
                read += len(line)
                yield line

        # A pipe has no position, so count its bytes. A file may be compressed: its position is part of its size.
        lines = lines_of(file) if size is not None else counted(lines_of(file))
        published = publish_lines(
            append,
            lines,
            now=datetime.now(UTC),
            sent=lambda _: progress.update(bar, completed=read if size is None else file.tell()),
        )
        end = read if size is None else size
        progress.update(bar, completed=end, total=end)
        return published


def _opened(name: str) -> BinaryIO:
    if name == "-":
        return sys.stdin.buffer
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise typer.BadParameter(f"{name}: {error.strerror}") from None


def _progress(*, quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=errors, disable=quiet)


def _report(done: dict[str, Published]) -> None:
    for name, published in done.items():
        for line in published.bad:
            errors.print(f"{name}:{line.number}: {line.error}", style="red", markup=False, highlight=False)
        if broken := published.broken:
            message = f"{name}: cannot be read after line {broken.after:,}: {broken.why}"
            errors.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
    sent, bad = sum(p.sent for p in done.values()), sum(len(p.bad) for p in done.values())
    console.print(f"published {amount(sent, 'event')}" + (f", refused {bad:,}" if bad else ""), highlight=False)


def _as_json(published: Published) -> dict[str, object]:
    bad = [{"line": line.number, "reason": line.error.reason, "detail": line.error.detail} for line in published.bad]
    broken = published.broken and {"line": published.broken.after, "detail": published.broken.why}
    return {"published": published.sent, "bad": bad, "broken": broken}
