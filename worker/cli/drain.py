import os
import socket

from worker.books import Outcome
from worker.cli.terminal import AsJson, console, print_json
from worker.drain.opening import opened_drain
from worker.settings import load_settings


def drain(*, as_json: AsJson = False) -> None:
    """Drain the stream until it is dry, without Celery and without a broker.

    Works beside running workers, and when Redis is so full that no worker can start.
    """
    consumer = f"{socket.gethostname()}:drain-{os.getpid()}"
    with opened_drain(load_settings(), consumer=consumer) as it:
        tally = it.run()
        it.stream.retire(consumer)
    counts = {outcome.value: tally.outcomes[outcome] for outcome in Outcome}
    if as_json:
        print_json({"events": tally.events, **counts})
    else:
        told = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        console.print(f"drained {tally.events:,} events: {told}", highlight=False)
