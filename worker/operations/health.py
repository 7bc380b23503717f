"""Whether drains make progress: not that a process exists, but that it commits what arrives, or finds nothing."""

import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Final

from worker.contract.clock_skew import utc_now
from worker.settings import load_settings
from worker.stream.clock import clock_trouble
from worker.stream.consumer import EventStream
from worker.stream.consumer_names import host_of, place_of

# After this long without progress, or with an event waiting, an operator is needed. ops/prometheus/alerts.yml and its
# page in docs/ have the same number.
LATE_S: Final = 45.0
# A drain shows life at least once a second, except for a batch that takes longer than that.
RUNNING_S: Final = 10.0


@dataclass(frozen=True)
class Health:
    """A verdict with one line of detail: the figure behind it, or what is wrong."""

    well: bool
    detail: str


def running_drains(last_progress_s: Mapping[str, float]) -> frozenset[str]:
    """The consumers among these whose drains run now."""
    return frozenset(name for name, age_s in last_progress_s.items() if age_s <= RUNNING_S)


def namesakes(running: Iterable[str]) -> list[str]:
    """The nodes that more than one worker runs as, among these running drains."""
    places = Counter(map(place_of, running))
    return sorted({place.rpartition(":")[0] for place, drains in places.items() if drains > 1})


def health(
    stream: EventStream, *, within_s: float, host: str | None = None, now: Callable[[], datetime] = utc_now
) -> Health:
    """Judge all workers together; with `host`, only the worker that runs there, whatever backlog the others leave.

    `now` is the clock of this machine, by which a worker here would go too.

    Raises:
        StreamUnavailableError: Redis is away, and with it all signs of life.
    """
    ages_s = {name: age_s for name, age_s in stream.last_progress_s().items() if host in (None, host_of(name))}
    where = f" on {host}" if host else ""
    trouble = clock_trouble(now(), stream.now())
    if trouble and (host or not running_drains(ages_s)):
        return Health(well=False, detail=f"{trouble}; until then no worker here records anything")
    if not ages_s:
        return Health(well=False, detail=f"no drain is known{where}: is a worker running? See `zik doctor`")
    last_s = f"{min(ages_s.values()):,.0f} s"
    if min(ages_s.values()) > within_s:
        return Health(well=False, detail=f"no drain has made progress{where} for {last_s}: see `zik doctor`")
    trouble = _stuck(stream, ages_s, host, within_s) if host else _late(stream, within_s)
    return Health(well=not trouble, detail=trouble or f"a drain made progress{where} {last_s} ago")


def check_health(*, here: bool, within_s: float) -> Health:
    """Judge the workers of the Redis in the settings; with `here`, only the worker on this host."""
    with EventStream.opened(load_settings().redis_url) as stream:
        return health(stream, within_s=within_s, host=socket.gethostname() if here else None)


def _stuck(stream: EventStream, ages_s: Mapping[str, float], host: str, within_s: float) -> str:
    """Look at each drain on the host: one that finds nothing does not answer for one that cannot record its events."""
    # What a dead process held is taken over at once, or after a minute; its successor answers for that.
    answered_for = {place_of(name) for name in running_drains(ages_s)}
    for name, pending, _ in stream.consumers():
        late = ages_s.get(name, inf) > within_s and place_of(name) not in answered_for
        if pending and host_of(name) == host and late:
            return f"the drain {name} holds {pending:,} events and makes no progress: see `zik doctor`"
    return ""


def _late(stream: EventStream, within_s: float) -> str:
    oldest_s = stream.books().oldest_waiting_s
    if oldest_s <= within_s:
        return ""
    return f"the oldest event has waited for {oldest_s:,.0f} s: start more workers, see `zik status`"
