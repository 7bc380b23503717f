import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Final

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from worker.books import Books
from worker.cli.terminal import AsJson, books_table, console, print_json
from worker.database.engine import opened_engine
from worker.errors import StreamUnavailableError
from worker.operations.health import RUNNING_S
from worker.operations.status import Overview, overview
from worker.settings import Settings, load_settings
from worker.stream.consumer import EventStream

_LATE_S: Final = 45.0


def status_picture(seen: Overview, pace: Mapping[str, float] | None = None) -> RenderableType:
    return Group(
        books_table(seen.books, pace), *_backlog(seen, pace), *_database(seen), *_letters(seen), *_drains(seen)
    )


def _backlog(seen: Overview, pace: Mapping[str, float] | None) -> Iterator[RenderableType]:
    books = seen.books
    if not books.waiting:
        return
    told = f"oldest waiting event: {books.oldest_waiting_s:,.0f} s"
    if pace and pace["waiting"] < 0:
        told += f", dry in about {books.waiting / -pace['waiting']:,.0f} s"
    elif pace and pace["waiting"] > 0:
        told += ", and more come than are drained: start more workers"
    yield Text(told, style="bold red" if books.oldest_waiting_s > _LATE_S else "")


def _database(seen: Overview) -> Iterator[RenderableType]:
    if seen.database_trouble:
        yield Text(f"database: {seen.database_trouble}", style="bold red")
    elif seen.schema is None:
        yield Text("database: reachable, schema: none yet; run `zik init`", style="bold red")
    elif seen.schema != seen.newest_schema:
        told = f"database: reachable, schema: {seen.schema}, and this zik is written for {seen.newest_schema}"
        yield Text(f"{told}; run `zik init`", style="bold red")
    else:
        yield Text(f"database: reachable, schema: {seen.schema}, up to date")


def _letters(seen: Overview) -> Iterator[RenderableType]:
    if seen.letters:
        told = ", ".join(f"{reason} {count:,}" for reason, count in seen.letters.items())
        yield Text(f"dead letters on the desk: {told} (zik dead list)", style="yellow")


def _drains(seen: Overview) -> Iterator[RenderableType]:
    if not seen.consumers:
        yield Text("no worker reads the stream: celery -A worker worker, or zik up", style="yellow")
        return
    if not any(age_s <= RUNNING_S for age_s in seen.last_progress_s.values()):
        yield Text("no drain gets through: see `zik doctor`, and the log of a worker", style="bold red")
    table = Table(title="Drains", title_justify="left")
    table.add_column("consumer")
    for heading in ("pending", "last read", "last got through"):
        table.add_column(heading, justify="right")
    for consumer in seen.consumers:
        through_s = seen.last_progress_s.get(consumer.name)
        through = "never" if through_s is None else f"{through_s:,.0f} s ago"
        style = "" if through_s is not None and through_s <= RUNNING_S else "dim"
        table.add_row(consumer.name, f"{consumer.pending:,}", f"{consumer.idle_s:,.1f} s ago", through, style=style)
    yield table


_LOOKS = 10
_FIGURES = ("received", "recorded", "duplicate", "dead", "waiting")


class Pace:
    """Remembers the last looks at the books."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, Books]] = deque(maxlen=_LOOKS)

    def of(self, books: Books, *, at_s: float) -> dict[str, float]:
        """Changes a second since the oldest look that is remembered, by figure; 0 at the first look."""
        self._looks.append((at_s, books))
        since_s, before = self._looks[0]
        if at_s == since_s:
            return dict.fromkeys(_FIGURES, 0.0)
        return {name: (getattr(books, name) - getattr(before, name)) / (at_s - since_s) for name in _FIGURES}


_EVERY_S = 1.0

Watch = Annotated[bool, typer.Option("--watch", "-w", help="Stay, and look again every second.")]


def status(*, watch: Watch = False, as_json: AsJson = False) -> None:
    """Show where every event is. Exit code 0 only when the books balance and the schema is the right one."""
    settings = load_settings()
    with _looking(settings) as look:
        if watch:
            _watch(look)
            return
        seen = look()
    if as_json:
        print_json(seen.as_json())
    else:
        console.print(status_picture(seen))
    raise typer.Exit(code=0 if seen.well else 1)


@contextmanager
def _looking(settings: Settings) -> Iterator[Callable[[], Overview]]:
    with EventStream.opened(settings.redis_url) as stream, opened_engine(settings.database_url) as engine:
        yield partial(overview, stream, engine)


def _watch(look: Callable[[], Overview]) -> None:
    pace = Pace()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            try:
                seen = look()
                picture = status_picture(seen, pace.of(seen.books, at_s=time.monotonic()))
            except StreamUnavailableError as error:
                # Whoever watches wants to see it come back.
                picture = Text(str(error), style="bold red")
            live.update(picture, refresh=True)
            time.sleep(_EVERY_S)
