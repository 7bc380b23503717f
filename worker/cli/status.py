import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from worker.cli.terminal import AsJson, books_table, console, print_json
from worker.database import open_engine
from worker.errors import StreamUnavailableError
from worker.overview import Overview, overview
from worker.settings import Settings, load_settings
from worker.stream import EventStream

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
        console.print(_picture(seen))
    raise typer.Exit(code=0 if seen.well else 1)


class _Look:
    def __init__(self, settings: Settings) -> None:
        self.stream = EventStream.at(settings.redis_url)
        self.engine = open_engine(settings.database_url)

    def __call__(self) -> Overview:
        return overview(self.stream, self.engine)


@contextmanager
def _looking(settings: Settings) -> Iterator[_Look]:
    look = _Look(settings)
    try:
        yield look
    finally:
        look.stream.close()
        look.engine.dispose()


def _watch(look: _Look) -> None:
    with Live(console=console, auto_refresh=False) as live:
        while True:
            try:
                picture = _picture(look())
            except StreamUnavailableError as error:
                # Whoever watches wants to see it come back.
                picture = Text(str(error), style="red")
            live.update(picture, refresh=True)
            time.sleep(_EVERY_S)


def _picture(seen: Overview) -> RenderableType:
    return Group(books_table(seen.books), *_facts(seen), *_consumers(seen))


def _facts(seen: Overview) -> Iterator[RenderableType]:
    if seen.books.waiting:
        yield Text(f"oldest waiting event: {seen.books.oldest_waiting_s:,.0f} s")
    if seen.database_trouble:
        yield Text(seen.database_trouble, style="red")
    elif seen.schema is None:
        yield Text("schema: none yet; run `zik init`", style="red")
    elif seen.schema != seen.newest_schema:
        yield Text(
            f"schema: {seen.schema}, and this zik is written for {seen.newest_schema}; run `zik init`", style="red"
        )
    else:
        yield Text(f"schema: {seen.schema}, up to date")
    if seen.letters:
        told = ", ".join(f"{reason} {count:,}" for reason, count in seen.letters.items())
        yield Text(f"dead letters on the desk: {told} (zik dead list)", style="yellow")


def _consumers(seen: Overview) -> Iterator[RenderableType]:
    if not seen.consumers:
        yield Text("no worker has read the stream yet: celery -A worker worker, or zik up", style="yellow")
        return
    table = Table(title="Consumers", title_justify="left")
    table.add_column("name")
    table.add_column("pending", justify="right")
    table.add_column("idle", justify="right")
    for consumer in seen.consumers:
        table.add_row(consumer.name, f"{consumer.pending:,}", f"{consumer.idle_s:,.1f} s")
    yield table
