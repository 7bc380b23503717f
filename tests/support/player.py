"""A player for tests to kill: plays into an outbox without end, and writes down each id that is safe on disk."""

import itertools
import os
import random
import sys
from datetime import UTC, datetime, timedelta

from worker.client import Client

_FIRST_PLAY_AT = datetime(2021, 4, 22, tzinfo=UTC)


def main() -> None:
    url, outbox, safe_ids_path, seed = sys.argv[1:]
    rng = random.Random(seed)
    safe_ids = os.open(safe_ids_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with Client(url, outbox=outbox, flush_at=rng.choice([1, 20, 100]), flush_interval_s=0.02) as client:
        sys.stdout.write("playing\n")
        sys.stdout.flush()
        for number in itertools.count():
            ids = [
                # A different title for each call, so that a play recorded twice has two rows.
                client.play(
                    user="ada",
                    artist=f"player {seed}",
                    title=f"{number}.{step}",
                    time=_FIRST_PLAY_AT + timedelta(seconds=rng.randrange(10**7)),
                )
                for step in range(rng.randrange(1, 60))
            ]
            if client.flush_outbox(10):
                # In one write, so that a kill leaves no half line.
                os.write(safe_ids, "".join(f"{event_id}\n" for event_id in ids).encode())


if __name__ == "__main__":
    main()
