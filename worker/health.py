"""Whether drains get through: not that a process exists, but that it commits what comes, or finds that nothing does."""

from dataclasses import dataclass
from typing import Final

from worker.stream import EventStream

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
    ages_s = [age_s for consumer, age_s in stream.last_through_s().items() if host in (None, _host_of(consumer))]
    where = f" on {host}" if host else ""
    if not ages_s:
        return Health("", f"no drain has ever got through{where}: is a worker running? See `zik doctor`")
    if min(ages_s) > within_s:
        return Health("", f"no drain has got through{where} for {min(ages_s):,.0f} s: see `zik doctor`")
    oldest_s = 0.0 if host else stream.books().oldest_waiting_s
    if oldest_s > within_s:
        return Health("", f"the oldest event has waited for {oldest_s:,.0f} s: start more workers, see `zik status`")
    return Health(f"a drain got through{where} {min(ages_s):,.0f} s ago")


def _host_of(consumer: str) -> str:
    """A consumer is a slot of a worker's pool, as `celery@host:1`."""
    return consumer.rpartition(":")[0].rpartition("@")[2]
