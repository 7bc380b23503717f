"""Open a drain with connections of its own, and close them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from worker.database.engine import open_engine
from worker.drain.drain import Drain
from worker.errors import ZikError
from worker.failpoints import arm
from worker.gc_tuning import tune_gc
from worker.settings import Settings
from worker.stream.consumer import EventStream


def open_drain(settings: Settings, *, consumer: str, closing: Callable[[], bool] = lambda: False) -> Drain:
    """Make a drain by these settings. Call it after fork: a process must not use its parent's connections."""
    arm(settings.crash_at)
    tune_gc()
    return Drain(
        EventStream.at(settings.redis_url),
        open_engine(settings.database_url),
        consumer,
        batch_size=settings.batch_size,
        create_users=settings.unknown_users == "create",
        closing=closing,
    )


def close_drain(drain: Drain) -> None:
    """Close a drain's connections, and remove its consumer unless that has entries left for its heirs."""
    with suppress(ZikError):
        drain.stream.retire(drain.consumer)
    drain.stream.close()
    drain.engine.dispose()


@contextmanager
def opened_drain(settings: Settings, *, consumer: str) -> Iterator[Drain]:
    """Open a drain, and close it at the end."""
    drain = open_drain(settings, consumer=consumer)
    try:
        yield drain
    finally:
        close_drain(drain)
