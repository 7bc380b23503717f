import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, TaskID
from rich.table import Table
from sqlalchemy import Engine

from worker.books import Books
from worker.cli.terminal import books_table, console, plain, progress, say
from worker.cli.up import stopped_by_signals
from worker.contract.codec import encode
from worker.database.engine import opened_engine, snapshot
from worker.database.schema import bring_up_schema
from worker.errors import ZikError
from worker.importers.json_lines import lines_of, publish_lines
from worker.local.services import claimed, worker_and_beat
from worker.local.simulator import simulate
from worker.local.valkey import embedded_valkey, free_port, reclaim
from worker.settings import Settings, load_settings
from worker.statistics.charts import chart, refresh_charts
from worker.statistics.listen_rule import ListenRule
from worker.statistics.periods import Period, span
from worker.statistics.questions.top import Subject
from worker.statistics.rollups.sweep import refresh
from worker.stream.consumer import EventStream

_STALLED_S = 30.0
_TOP = 10
# So that the dead-letter desk has something to show.
_BROKEN = [b'{"type":"play","user":"listener-001","song":{"title":"When was it?","artist":"Nobody Knows"}}']

Events = Annotated[int, typer.Option("--events", "-n", min=1, help="How many events to simulate.")]
History = Annotated[
    Path | None,
    typer.Option("--history", exists=True, dir_okay=False, help="Events of your own instead: JSON Lines, or gzip."),
]


def demo(*, events: Events = 20_000, history: History = None) -> None:
    """See all of zik work in a minute: an embedded Valkey, a real worker, many listeners, and the books.

    Everything is in a folder of its own and stops at the end. Exit code 1 if the books do not balance.
    """
    with (
        stopped_by_signals(),
        claimed(load_settings().home / ".zik" / "demo", by="zik demo") as folder,
        embedded_valkey(_emptied(folder) / "valkey", port=free_port(), durable=False) as url,
    ):
        settings = load_settings(
            redis_url=url, celery_broker_url=url, database_url=f"sqlite:///{folder / 'demo.db'}", batch_size=1_000
        )
        books = _show(settings, folder, events, history)
    raise typer.Exit(code=0 if books.balanced and not books.waiting else 1)


def _show(settings: Settings, folder: Path, events: int, history: Path | None) -> Books:
    with EventStream.opened(settings.redis_url) as stream, opened_engine(settings.database_url) as engine:
        console.print(f"[green]✓[/] embedded Valkey on {settings.redis_url}", highlight=False)
        console.print(f"[green]✓[/] SQLite: {bring_up_schema(engine)}", highlight=False)
        with worker_and_beat(folder, env=settings.as_environment(), concurrency=2):
            console.print("[green]✓[/] celery -A worker worker, and beat\n")
            started = time.monotonic()
            books = _play(stream, _lines(events, history), None if history else events)
            seconds = time.monotonic() - started
        _report(engine, books, seconds, folder)
    return books


def _emptied(folder: Path) -> Path:
    """Take away what the last demo left, and its server too, should it have been killed outright."""
    reclaim(folder / "valkey" / "valkey.conf")
    for left in folder.iterdir():
        if left.is_dir():
            shutil.rmtree(left)
        elif left.name != "lock":
            left.unlink()
    return folder


def _lines(events: int, history: Path | None) -> Iterator[bytes]:
    if history is not None:
        return lines_of(history.open("rb"))
    return map(encode, simulate(events - len(_BROKEN), until=datetime.now(UTC)))


def _play(stream: EventStream, lines: Iterator[bytes], total: int | None) -> Books:
    """Publish, and watch the worker keep up. Returns the books when the stream is dry."""
    with progress() as bars:
        published = bars.add_task("published", total=total)
        drained = bars.add_task("drained", total=total)

        def show(sent: int) -> None:
            bars.advance(published, sent)
            bars.update(drained, completed=_drained(stream.books()))

        stream.append(_BROKEN)
        show(len(_BROKEN))
        done = publish_lines(stream.append, lines, now=datetime.now(UTC), sent=show)
        for bar in (published, drained):
            bars.update(bar, total=done.sent + len(_BROKEN))
        books = _await_dry(stream, bars, drained)
    if done.bad:
        console.print(f"{len(done.bad):,} lines were not valid and not sent; `zik publish` names them", style="yellow")
    if done.broken:
        console.print(
            f"the history cannot be read beyond line {done.broken.after:,}: {done.broken.why}", style="yellow"
        )
    return books


def _await_dry(stream: EventStream, bars: Progress, drained: TaskID) -> Books:
    books = stream.books()
    moved_at = time.monotonic()
    while books.waiting:
        if time.monotonic() - moved_at > _STALLED_S:
            raise ZikError(f"nothing has been drained for {_STALLED_S:.0f} s, and {books.waiting:,} events wait")
        time.sleep(0.05)
        before, books = books, stream.books()
        if books.waiting < before.waiting:
            moved_at = time.monotonic()
        bars.update(drained, completed=_drained(books))
    bars.update(drained, completed=_drained(books))
    return books


def _drained(books: Books) -> int:
    return books.recorded + books.duplicate + books.dead


def _report(engine: Engine, books: Books, seconds: float, folder: Path) -> None:
    console.print(f"\n{books.received:,} events in {seconds:.1f} s, published and recorded at the same time\n")
    console.print(books_table(books))
    console.print(_top_songs(engine))
    # Under `uv run` the command is on no other shell's path.
    zik = "uv run zik" if "UV" in os.environ else "zik"
    say(
        "Everything has stopped. What to try next:\n\n"
        f"  {zik} up                 the same for real use, until you stop it\n"
        f"  {zik} publish FILE…      your own events, one JSON object a line\n"
        f"  {zik} status --watch     where every event is\n\n"
        "and with what the demo has recorded:\n\n"
        f"  export DATABASE_URL=sqlite:///{folder / 'demo.db'}\n"
        f"  {zik} clock --user listener-000                      when somebody listens\n"
        f"  {zik} report --user listener-000 --year {datetime.now(UTC).year}         a year as a page\n"
        f"  {zik} dead list                                      why one event was not recorded"
    )


def _top_songs(engine: Engine) -> Table:
    """What the workers of `zik up` compute every ten seconds, and draw every hour."""
    today = datetime.now(UTC).date()
    refresh(engine, ListenRule())
    refresh_charts(engine, today=today, closed=False)
    with snapshot(engine) as session:
        places = chart(session.connection(), Subject.SONG, span(Period.ALL, today), most=_TOP)
    table = Table(title="Top songs of everyone", title_justify="left")
    table.add_column("title")
    table.add_column("artist")
    for heading in ("listens", "plays", "listeners"):
        table.add_column(heading, justify="right")
    for place in places:
        names = (plain(place.title or ""), plain(place.artist))
        table.add_row(*names, f"{place.listens:,}", f"{place.plays:,}", f"{place.listeners:,}")
    return table
