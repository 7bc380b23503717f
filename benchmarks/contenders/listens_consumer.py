"""A consumer in the shape of ListenBrainz's writer: messages of a hundred listens, each stored by one INSERT.

Run as `python -m benchmarks.contenders.listens_consumer`; stops at SIGTERM. A message stays in a list of its own until
its rows are committed.
"""

import json
import os
import signal
import sys
from typing import Any

import redis

from benchmarks.contenders.plain_writer import PlainWriter

QUEUE = "bench.listens"
LISTENS_A_MESSAGE = 100


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    mine = f"{QUEUE}:{os.getpid()}"
    client: Any = redis.Redis.from_url(os.environ["REDIS_URL"])
    writer = PlainWriter(os.environ["DATABASE_URL"])
    print("ready.", flush=True)  # noqa: T201 -- the benchmark waits for it
    while True:
        message = client.blmove(QUEUE, mine, 1, src="LEFT", dest="RIGHT")
        if message is not None:
            writer.write(json.loads(message))
            client.lrem(mine, 1, message)


if __name__ == "__main__":
    main()
