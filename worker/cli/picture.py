"""What `zik status` shows: the books first, then whatever is wrong, then who drains."""

from collections.abc import Iterator, Mapping
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from worker.cli.terminal import books_table
from worker.operations.health import RUNNING_S
from worker.operations.status import Overview

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
    if not any(age_s <= RUNNING_S for age_s in seen.last_through_s.values()):
        yield Text("no drain gets through: see `zik doctor`, and the log of a worker", style="bold red")
    table = Table(title="Drains", title_justify="left")
    table.add_column("consumer")
    for heading in ("pending", "last read", "last got through"):
        table.add_column(heading, justify="right")
    for consumer in seen.consumers:
        through_s = seen.last_through_s.get(consumer.name)
        through = "never" if through_s is None else f"{through_s:,.0f} s ago"
        style = "" if through_s is not None and through_s <= RUNNING_S else "dim"
        table.add_row(consumer.name, f"{consumer.pending:,}", f"{consumer.idle_s:,.1f} s ago", through, style=style)
    yield table
