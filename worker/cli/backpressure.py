"""Commands that publish much wait while the stream holds as many events as it may, and say so once."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Final

from worker.cli.terminal import errors
from worker.errors import StreamFullError
from worker.settings import Settings
from worker.stream.backpressure import Backpressure
from worker.stream.producer import Producer

_LOOK_EVERY_S: Final = 0.5

Append = Callable[[list[bytes]], object]


@contextmanager
def append_when_room(settings: Settings) -> Iterator[Append]:
    """A function that adds a batch of events, in order, once the stream has room for it.

    It raises what `Producer.append` does, also where Redis itself is full: that may be for another reason than events.
    """
    with closing(Producer.at(settings.redis_url)) as producer:
        backpressure = Backpressure(producer, max_waiting=settings.max_waiting)
        told = False

        def append(payloads: list[bytes]) -> None:
            nonlocal told
            while why := _refusal(backpressure):
                if not told:
                    line = f"waiting for room: {why}. Ctrl-C ends this, and the same command goes on"
                    errors.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)
                    told = True
                time.sleep(_LOOK_EVERY_S)
            backpressure.append(payloads)

        yield append


def _refusal(backpressure: Backpressure) -> StreamFullError | None:
    try:
        backpressure.check()
    except StreamFullError as error:
        return error
    return None
