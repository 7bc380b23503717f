"""Commands that publish much wait while the stream holds as many events as it may, and say so once."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Final

from worker.cli.terminal import errors
from worker.errors import StreamFullError
from worker.settings import Settings
from worker.stream.backpressure import Room
from worker.stream.producer import Appender

_LOOK_EVERY_S: Final = 0.5

Append = Callable[[list[bytes]], object]


@contextmanager
def patient_append(settings: Settings) -> Iterator[Append]:
    """A function that adds a batch of events, in order, once the stream has room for it.

    It raises what `Appender.append` does, also where Redis itself is full: that may be for another reason than events.
    """
    with closing(Appender.at(settings.redis_url)) as appender:
        room = Room(appender, max_waiting=settings.zik_max_waiting)
        told = False

        def append(payloads: list[bytes]) -> None:
            nonlocal told
            while why := _no_room(room):
                if not told:
                    line = f"waiting for room: {why}. Ctrl-C ends this, and the same command goes on"
                    errors.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)
                    told = True
                time.sleep(_LOOK_EVERY_S)
            room.append(payloads)

        yield append


def _no_room(room: Room) -> StreamFullError | None:
    try:
        room.ensure()
    except StreamFullError as error:
        return error
    return None
