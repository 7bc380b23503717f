"""Whether drains get through: not that a process exists, but that it commits what comes, or finds that nothing does.

Run as `python -m worker.operations.health`, it is `zik health` without loading the other commands: a probe runs often.
"""

import argparse
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Final

from worker.errors import ZikError
from worker.settings import load_settings
from worker.stream.consumer import EventStream

WITHIN_S: Final = 45.0

# A drain shows life at least once a second, but for a batch that takes longer than that.
RUNNING_S: Final = 10.0


@dataclass(frozen=True)
class Health:
    """`trouble` says what is wrong, and is empty where all is well."""

    told: str
    trouble: str = ""

    @property
    def well(self) -> bool:
        return not self.trouble


def health(stream: EventStream, *, within_s: float, host: str | None = None) -> Health:
    """Of all workers together; with `host`, of the one that runs there, whatever the others have left waiting.

    Raises:
        StreamUnavailableError: Redis is away, and with it all signs of life.
    """
    ages_s = {name: age_s for name, age_s in stream.last_progress_s().items() if host in (None, _host_of(name))}
    where = f" on {host}" if host else ""
    if not ages_s:
        return Health("", f"no drain is known{where}: is a worker running? See `zik doctor`")
    if min(ages_s.values()) > within_s:
        return Health("", f"no drain has got through{where} for {min(ages_s.values()):,.0f} s: see `zik doctor`")
    trouble = _stuck(stream, ages_s, host, within_s) if host else _late(stream, within_s)
    return Health("" if trouble else f"a drain got through{where} {min(ages_s.values()):,.0f} s ago", trouble)


def _stuck(stream: EventStream, ages_s: Mapping[str, float], host: str, within_s: float) -> str:
    """Of several drains on a host, one that finds nothing says nothing about another that cannot record what it has."""
    for name, pending, _ in stream.consumers():
        if pending and _host_of(name) == host and ages_s.get(name, inf) > within_s:
            return f"the drain {name} holds {pending:,} events and does not get through: see `zik doctor`"
    return ""


def _late(stream: EventStream, within_s: float) -> str:
    oldest_s = stream.books().oldest_waiting_s
    if oldest_s <= within_s:
        return ""
    return f"the oldest event has waited for {oldest_s:,.0f} s: start more workers, see `zik status`"


def _host_of(consumer: str) -> str:
    """A consumer is a slot of a worker's pool, as `celery@host:1`."""
    return consumer.rpartition(":")[0].rpartition("@")[2]


def examined(*, here: bool, within_s: float) -> Health:
    """The health by the settings of this process; `here` is this host's worker alone."""
    with EventStream.opened(load_settings().redis_url) as stream:
        return health(stream, within_s=within_s, host=socket.gethostname() if here else None)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m worker.operations.health", description="See `zik health --help`.")
    parser.add_argument("--here", action="store_true")
    parser.add_argument("--within", type=float, default=WITHIN_S, metavar="SECONDS")
    asked = parser.parse_args()
    try:
        found = examined(here=asked.here, within_s=asked.within)
    except ZikError as error:
        found = Health("", str(error))
    print(found.told or f"zik: {found.trouble}", file=sys.stdout if found.well else sys.stderr)
    return 0 if found.well else 1


if __name__ == "__main__":
    sys.exit(main())
