"""A player to be killed: plays without end into an outbox, and writes down the ids that it was told are safe."""

import itertools
import os
import random
import sys
from datetime import UTC, datetime, timedelta

from worker.client import Client

_BEGIN = datetime(2021, 4, 22, tzinfo=UTC)


def main() -> None:
    url, outbox, told, seed = sys.argv[1:]
    rng = random.Random(seed)
    safe = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with Client(url, outbox=outbox, flush_at=rng.choice([1, 20, 100]), flush_interval_s=0.02) as client:
        sys.stdout.write("playing\n")
        sys.stdout.flush()
        for number in itertools.count():
            ids = [
                # A title of its own for each call: a play that is recorded twice has two rows.
                client.play(
                    user="ada",
                    artist=f"player {seed}",
                    title=f"{number}.{step}",
                    time=_BEGIN + timedelta(seconds=rng.randrange(10**7)),
                )
                for step in range(rng.randrange(1, 60))
            ]
            if client.flush_outbox(10):
                # In one write, so that a kill leaves no half line.
                os.write(safe, "".join(f"{event_id}\n" for event_id in ids).encode())


if __name__ == "__main__":
    main()
