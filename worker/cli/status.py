import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import chain
from math import inf
from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from worker.books import Books
from worker.cli.terminal import AsJson, books_table, console, print_json, song_line
from worker.database.engine import opened_engine
from worker.errors import StreamUnavailableError
from worker.escaping import printable
from worker.operations.health import LATE_S, running_drains
from worker.operations.status import Overview, overview
from worker.settings import Settings, load_settings
from worker.stream.consumer import EventStream
from worker.stream.inspection import Consumer

_MOST_PLAYING = 5


def status_picture(
    state: Overview, pace: Mapping[str, float] | None = None, *, most_drains: int | None = None
) -> RenderableType:
    parts = (_backlog(state, pace), _database(state), _letters(state), _playing(state), _drains(state, most_drains))
    return Group(books_table(state.books, pace), *chain.from_iterable(parts))


def fitted_picture(screen: Console, state: Overview, pace: Mapping[str, float]) -> RenderableType:
    """The picture with as many drains as the screen has lines for."""
    picture = status_picture(state, pace)
    excess = len(screen.render_lines(picture)) - screen.height
    if excess <= 0:
        return picture
    # One more line for those left out.
    return status_picture(state, pace, most_drains=max(1, len(state.consumers) - excess - 1))


def _backlog(state: Overview, pace: Mapping[str, float] | None) -> Iterator[RenderableType]:
    books = state.books
    if not books.waiting:
        return
    line = f"oldest waiting event: {books.oldest_waiting_s:,.0f} s"
    if pace and pace["waiting"] < 0:
        line += f", dry in about {books.waiting / -pace['waiting']:,.0f} s"
    elif pace and pace["waiting"] > 0:
        line += ", and more arrive than are drained: start more workers"
    yield Text(line, style="bold red" if books.oldest_waiting_s > LATE_S else "")


def _database(state: Overview) -> Iterator[RenderableType]:
    if state.database_trouble:
        yield Text(f"database: {state.database_trouble}", style="bold red")
    elif state.schema is None:
        yield Text("database: reachable, schema: none; run `zik init`", style="bold red")
    elif state.schema != state.newest_schema:
        versions = f"schema: {state.schema}, but this zik needs {state.newest_schema}"
        yield Text(f"database: reachable, {versions}; run `zik init`", style="bold red")
    else:
        yield Text(f"database: reachable, schema: {state.schema}, up to date")


def _letters(state: Overview) -> Iterator[RenderableType]:
    if state.letters:
        counts = ", ".join(f"{reason} {count:,}" for reason, count in state.letters.items())
        yield Text(f"dead letters: {counts} (zik dead list)", style="yellow")


def _playing(state: Overview) -> Iterator[RenderableType]:
    shown = list(state.now_playing.items())[:_MOST_PLAYING]
    if shown:
        more = len(state.now_playing) - len(shown)
        yield Text(f"now playing: {len(state.now_playing):,}" + (f", {more:,} more than these" if more else ""))
    for user, playing in shown:
        line = f"  {printable(user)}: {song_line(playing)}"
        yield Text(line, style="dim", no_wrap=True, overflow="ellipsis")


def _drains(state: Overview, most: int | None) -> Iterator[RenderableType]:
    if not state.consumers:
        yield Text("no worker reads the stream: celery -A worker worker, or zik up", style="yellow")
        return
    running = running_drains(state.last_progress_s)
    if not running:
        yield Text("no drain makes progress: see `zik doctor`, and the log of a worker", style="bold red")
    table = Table(title="Drains", title_justify="left")
    table.add_column("consumer", no_wrap=True)
    for heading in ("pending", "last read", "last progress"):
        table.add_column(heading, justify="right", no_wrap=True)
    consumers = _most_relevant_first(state, running)
    for consumer in consumers[:most]:
        progress_s = state.last_progress_s.get(consumer.name)
        progress = "never" if progress_s is None else f"{progress_s:,.0f} s ago"
        style = "" if consumer.name in running else "dim"
        table.add_row(consumer.name, f"{consumer.pending:,}", f"{consumer.idle_s:,.1f} s ago", progress, style=style)
    yield table
    if left_out := consumers[len(consumers[:most]) :]:
        pending = sum(consumer.pending for consumer in left_out)
        line = f"and {len(left_out):,} more with {pending:,} pending: see `zik status`"
        yield Text(line, style="dim", no_wrap=True, overflow="ellipsis")


def _most_relevant_first(state: Overview, running: Collection[str]) -> list[Consumer]:
    """Those that run, by name; then those that hold events; then the others, the last one to end first."""

    def place(consumer: Consumer) -> tuple[bool, bool, float, str]:
        if consumer.name in running:
            return False, False, 0.0, consumer.name
        return True, not consumer.pending, state.last_progress_s.get(consumer.name, inf), consumer.name

    return sorted(state.consumers, key=place)


_LOOKS = 10
_FIGURES = ("received", "recorded", "duplicate", "dead", "waiting")


class Pace:
    """Remembers the last looks at the books."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, Books]] = deque(maxlen=_LOOKS)

    def of(self, books: Books, *, at_s: float) -> dict[str, float]:
        """Changes a second since the oldest look in memory, by figure; 0 at the first look."""
        self._looks.append((at_s, books))
        since_s, before = self._looks[0]
        if at_s == since_s:
            return dict.fromkeys(_FIGURES, 0.0)
        return {name: (getattr(books, name) - getattr(before, name)) / (at_s - since_s) for name in _FIGURES}


_EVERY_S = 1.0

Watch = Annotated[bool, typer.Option("--watch", "-w", help="Stay, and refresh every second.")]


def status(*, watch: Watch = False, as_json: AsJson = False) -> None:
    """Show where every event is. Exit code 0 only if the books balance and the schema is current."""
    settings = load_settings()
    with _opened(settings) as look:
        if watch:
            _watch(look)
            return
        state = look()
    if as_json:
        print_json(state.as_json())
    else:
        console.print(status_picture(state))
    raise typer.Exit(code=0 if state.well else 1)


@contextmanager
def _opened(settings: Settings) -> Iterator[Callable[[], Overview]]:
    with EventStream.opened(settings.redis_url) as stream, opened_engine(settings.database_url) as engine:
        yield partial(overview, stream, engine)


def _watch(look: Callable[[], Overview]) -> None:
    pace = Pace()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            try:
                state = look()
                picture = fitted_picture(console, state, pace.of(state.books, at_s=time.monotonic()))
            except StreamUnavailableError as error:
                # Go on watching: an operator wants to see it come back.
                picture = Text(str(error), style="bold red")
            live.update(picture, refresh=True)
            time.sleep(_EVERY_S)
