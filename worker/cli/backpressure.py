"""Make commands that publish many events wait, with one line to the user, while the stream is full."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Final

from worker.cli.terminal import errors
from worker.errors import StreamFullError
from worker.settings import Settings
from worker.stream.backpressure import Backpressure
from worker.stream.producer import Producer

_POLL_INTERVAL_S: Final = 0.5

Append = Callable[[list[bytes]], object]


@contextmanager
def append_when_room(settings: Settings) -> Iterator[Append]:
    """A function that adds a batch of events, in order, once the stream has room for it.

    It raises what `Producer.append` raises. It does not wait while Redis itself is full, because the reason may be
    something else than events.
    """
    with closing(Producer.at(settings.redis_url)) as producer:
        backpressure = Backpressure(producer, max_waiting=settings.max_waiting)
        reported = False

        def append(payloads: list[bytes]) -> None:
            nonlocal reported
            while error := _refusal(backpressure):
                if not reported:
                    line = f"waiting for room: {error}. Press Ctrl-C to stop; the same command continues later"
                    errors.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)
                    reported = True
                time.sleep(_POLL_INTERVAL_S)
            backpressure.append(payloads)

        yield append


def _refusal(backpressure: Backpressure) -> StreamFullError | None:
    try:
        backpressure.check()
    except StreamFullError as error:
        return error
    return None
