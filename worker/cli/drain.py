from worker.books import Outcome
from worker.cli.terminal import AsJson, console, print_json
from worker.drain.opening import opened_drain
from worker.settings import load_settings
from worker.stream.consumer_names import process_consumer


def drain(*, as_json: AsJson = False) -> None:
    """Drain the stream until it is dry, without Celery and without a broker.

    Works beside running workers, and on a Redis too full for a worker to start.
    """
    consumer = process_consumer("drain")
    with opened_drain(load_settings(), consumer=consumer) as opened:
        tally = opened.run()
        opened.stream.retire(consumer)
    counts = {outcome.value: tally.outcomes[outcome] for outcome in Outcome}
    if as_json:
        print_json({"events": tally.events, **counts})
    else:
        by_outcome = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        console.print(f"drained {tally.events:,} events: {by_outcome}", highlight=False)
