import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated

import typer
from rich.live import Live
from rich.text import Text

from worker.cli.pace import Pace
from worker.cli.picture import status_picture
from worker.cli.terminal import AsJson, console, print_json
from worker.database.engine import opened_engine
from worker.errors import StreamUnavailableError
from worker.operations.status import Overview, overview
from worker.settings import Settings, load_settings
from worker.stream.consumer import EventStream

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
