"""celery-batches: Celery gathers the messages of single events and hands them over a few hundred at a time.

It runs in an environment of its own, because its releases refuse the Celery that zik needs; so it imports nothing of
zik but the song's identity.
"""

import os
from functools import cache
from typing import Any

from celery_batches import Batches  # type: ignore[import-not-found]  # It has an environment of its own.

from benchmarks.contenders.celery_app import make_app
from benchmarks.contenders.plain_writer import PlainWriter

QUEUE = "bench.batches"
FLUSH_EVERY = int(os.environ.get("BENCH_FLUSH_EVERY", "500"))

# Fewer than two flushes in flight, and the workers wait for messages.
app = make_app("batches", queue=QUEUE, prefetch=2 * FLUSH_EVERY)


@cache
def _writer(pid: int) -> PlainWriter:
    del pid  # A part of the key: connections are made after fork.
    return PlainWriter(os.environ["DATABASE_URL"])


@app.task(name="bench.record_plays", base=Batches, flush_every=FLUSH_EVERY, flush_interval=1)
def record_plays(requests: list[Any]) -> None:
    _writer(os.getpid()).write([request.args[0] for request in requests])
