import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.progress import Progress, TaskID
from rich.table import Table
from sqlalchemy import Engine

from worker.books import Books
from worker.cli.local_token import local_token
from worker.cli.terminal import books_table, console, plain, progress, say
from worker.cli.up import report_restart, stopped_by_signals
from worker.contract.codec import encode
from worker.database.engine import opened_engine, snapshot
from worker.database.schema import bring_up_schema
from worker.errors import OperatorError, StreamUnavailableError
from worker.importers.json_lines import lines_of, publish_lines
from worker.local.http_server import is_http_installed, start_http_server
from worker.local.services import exclusive_folder, folder_of_up, start_worker
from worker.local.simulator import simulate
from worker.local.supervisor import Supervisor
from worker.local.valkey import free_port, start_valkey, stop_leftover
from worker.pages.links import home as page_of
from worker.settings import load_settings
from worker.statistics.charts import chart, refresh_charts
from worker.statistics.listen_rule import ListenRule
from worker.statistics.periods import Period, span
from worker.statistics.questions.subjects import Subject
from worker.statistics.questions.visibility import PUBLIC_PROFILE
from worker.statistics.rollups.sweep import refresh
from worker.stream.consumer import EventStream

Result = TypeVar("Result")

_STALL_TIMEOUT_S = 30.0
_TOP_SONGS = 10
# The one who plays most. Their pages are public, so that a browser opens them without a token.
_LISTENER = "listener-000"
_PUBLIC = {"type": "preference", "user": _LISTENER, "key": PUBLIC_PROFILE, "value": True}
# So that a report has last year beside this one, and comebacks.
_DAYS = 400
# An event without a time, so that `zik dead` has a dead letter to show, and the listener's pages as well.
_INVALID_SONG = {"title": "When was it?", "artist": "Nobody"}
_INVALID_LINES = [encode({"type": "play", "user": _LISTENER, "source": "phone/5.4.2", "song": _INVALID_SONG})]

Events = Annotated[int, typer.Option("--events", "-n", min=1, help="How many events to simulate.")]
History = Annotated[
    Path | None,
    typer.Option("--history", exists=True, dir_okay=False, help="Your own events instead: JSON Lines, plain or gzip."),
]


def demo(*, events: Events = 20_000, history: History = None) -> None:
    """Watch zik at work for a minute: an embedded Valkey, a real worker, simulated listeners, and the books.

    Uses a home of its own, and stops everything at the end. Exit code 1 if the books do not balance.
    """
    with (
        stopped_by_signals(),
        exclusive_folder(load_settings().home / ".zik" / "demo", command="zik demo") as home,
    ):
        with exclusive_folder(folder_of_up(home), command="zik up"):
            _empty(home)
        with exclusive_folder(folder_of_up(home), command="zik up") as folder:
            books = _run(home, folder, events, history)
    raise typer.Exit(code=0 if books.balanced and not books.waiting else 1)


def _run(home: Path, folder: Path, events: int, history: Path | None) -> Books:
    """Record the events in the folder that `zik up` uses in this home, so that it goes on with them."""
    database_url = f"sqlite:///{home / 'dev.db'}"
    with Supervisor(report=report_restart) as supervisor, opened_engine(database_url) as engine:
        url = start_valkey(supervisor, folder / "valkey", port=free_port())
        console.print(f"[green]✓[/] embedded Valkey on {url}", highlight=False)
        settings = load_settings(redis_url=url, celery_broker_url=url, database_url=database_url, batch_size=1_000)
        console.print(f"[green]✓[/] SQLite: {bring_up_schema(engine)}", highlight=False)
        start_worker(supervisor, folder, env=settings.as_environment(), concurrency=2)
        console.print("[green]✓[/] celery -A worker worker, with beat")
        if is_http_installed():
            http = start_http_server(supervisor, folder, env=settings.as_environment())
            page = "" if history else f", a page at {http}{page_of(_LISTENER)}"
            console.print(f"[green]✓[/] zik serve on {http}{page}", highlight=False)
        console.print()
        started = time.monotonic()
        with EventStream.opened(url) as stream:
            books = _publish(_DemoStream(stream, supervisor), _lines(events, history), None if history else events)
        seconds = time.monotonic() - started
    with opened_engine(database_url) as engine:
        # The worker does both too, but only every ten seconds, every hour and every day.
        refresh(engine, ListenRule.configured(settings))
        refresh_charts(engine, today=datetime.now(UTC).date(), closed=True)
        _report(engine, books, seconds)
        if history is None:
            local_token(engine, folder, username=_LISTENER)
    _suggest(home)
    return books


class _DemoStream:
    """The stream of a Valkey that the supervisor restarts. An event that is appended twice is a duplicate."""

    def __init__(self, stream: EventStream, supervisor: Supervisor) -> None:
        self._stream = stream
        self._supervisor = supervisor

    def append(self, payloads: list[bytes]) -> None:
        self._until_it_answers(lambda: self._stream.append(payloads))

    def books(self) -> Books:
        return self._until_it_answers(self._stream.books)

    def _until_it_answers(self, call: Callable[[], Result]) -> Result:
        deadline = time.monotonic() + _STALL_TIMEOUT_S
        while True:
            self._supervisor.check()
            try:
                return call()
            except StreamUnavailableError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


def _empty(home: Path) -> None:
    """Delete what the last demo left, and stop its server if the demo was killed."""
    stop_leftover(folder_of_up(home) / "valkey" / "valkey.conf")
    for path in home.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != "lock":
            path.unlink()


def _lines(events: int, history: Path | None) -> Iterator[bytes]:
    if history is not None:
        return lines_of(history.open("rb"))
    now = datetime.now(UTC)
    simulated = simulate(max(0, events - len(_INVALID_LINES) - 1), until=now, days=_DAYS)
    return map(encode, chain([{**_PUBLIC, "time": now.isoformat()}], simulated))


def _publish(stream: _DemoStream, lines: Iterator[bytes], total: int | None) -> Books:
    """Publish, and show how the worker keeps up. Returns the books once the stream is drained."""
    with progress() as bars:
        published = bars.add_task("published", total=total)
        drained = bars.add_task("drained", total=total)

        def show(sent: int) -> None:
            bars.advance(published, sent)
            bars.update(drained, completed=_drained(stream.books()))

        stream.append(_INVALID_LINES)
        show(len(_INVALID_LINES))
        done = publish_lines(stream.append, lines, now=datetime.now(UTC), sent=show)
        for bar in (published, drained):
            bars.update(bar, total=done.sent + len(_INVALID_LINES))
        books = _wait_until_drained(stream, bars, drained)
    if done.bad:
        console.print(f"{len(done.bad):,} invalid lines were skipped; `zik publish` reports each", style="yellow")
    if done.broken:
        console.print(f"the history cannot be read after line {done.broken.after:,}: {done.broken.why}", style="yellow")
    return books


def _wait_until_drained(stream: _DemoStream, bars: Progress, drained: TaskID) -> Books:
    books = stream.books()
    progressed_at = time.monotonic()
    while books.waiting:
        if time.monotonic() - progressed_at > _STALL_TIMEOUT_S:
            raise OperatorError(f"nothing was drained for {_STALL_TIMEOUT_S:.0f} s; {books.waiting:,} events wait")
        time.sleep(0.05)
        previous, books = books, stream.books()
        if books.waiting < previous.waiting:
            progressed_at = time.monotonic()
        bars.update(drained, completed=_drained(books))
    bars.update(drained, completed=_drained(books))
    return books


def _drained(books: Books) -> int:
    return books.recorded + books.duplicate + books.dead


def _report(engine: Engine, books: Books, seconds: float) -> None:
    console.print(f"\n{books.received:,} events in {seconds:.1f} s, published and recorded concurrently\n")
    console.print(books_table(books))
    console.print(_top_songs(engine))


def _suggest(home: Path) -> None:
    # With `uv run` no other shell has the command on its path.
    zik = "uv run zik" if "UV" in os.environ else "zik"
    # What is set would win over what this home has.
    others = "".join(f" {name}=" for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name))
    say(
        "Everything has stopped. Try next, with what the demo has recorded:\n\n"
        f"  export ZIK_HOME={home}{others}\n"
        f"  {zik} up                                     its pages, and a token that signs in, until stopped\n"
        f"  {zik} status --watch                         how many events are where\n"
        f"  {zik} clock --user {_LISTENER}              when a user listens\n"
        f"  {zik} report --user {_LISTENER} --year {datetime.now(UTC).year} a user's year as a page\n"
        f"  {zik} dead list                              why an event was not recorded\n\n"
        "or, in a terminal without that ZIK_HOME, for real use:\n\n"
        f"  {zik} up                                     until stopped\n"
        f"  {zik} publish FILE…                          your own events, one JSON object per line"
    )


def _top_songs(engine: Engine) -> Table:
    today = datetime.now(UTC).date()
    with snapshot(engine) as session:
        places = chart(session.connection(), Subject.SONG, span(Period.ALL, today), most=_TOP_SONGS)
    table = Table(title="Top songs of everyone", title_justify="left")
    table.add_column("title")
    table.add_column("artist")
    for heading in ("listens", "plays", "listeners"):
        table.add_column(heading, justify="right")
    for place in places:
        names = (plain(place.title or ""), plain(place.artist))
        table.add_row(*names, f"{place.listens:,}", f"{place.plays:,}", f"{place.listeners:,}")
    return table
