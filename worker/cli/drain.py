import typer

from worker.books import Outcome
from worker.cli.messages import complain
from worker.cli.terminal import AsJson, console, print_json
from worker.drain.opening import opened_drain
from worker.operations.health import running_drains
from worker.settings import load_settings
from worker.stream.consumer import EventStream
from worker.stream.consumer_names import process_consumer


def drain(*, as_json: AsJson = False) -> None:
    """Drain the stream until it is dry, without Celery and without a broker.

    Works beside running workers, and on a Redis too full for a worker to start. Exit code 1 if events stay in the
    hands of a worker that makes no progress.
    """
    with opened_drain(load_settings(), consumer=process_consumer("drain")) as opened:
        tally = opened.run()
        held = _held_by_the_idle(opened.stream)
    counts = {outcome.value: tally.outcomes[outcome] for outcome in Outcome}
    if as_json:
        print_json({"events": tally.events, **counts})
    else:
        by_outcome = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        console.print(f"drained {tally.events:,} events: {by_outcome}", highlight=False)
    for name, pending in held.items():
        complain(
            f"{pending:,} events wait in the hands of {name}, which makes no progress: start it again, or drain again "
            "in a minute, when they can be taken over"
        )
    raise typer.Exit(code=1 if held else 0)


def _held_by_the_idle(stream: EventStream) -> dict[str, int]:
    """The entries that other consumers hold and do not record, by consumer."""
    running = running_drains(stream.last_progress_s())
    return {name: pending for name, pending, _ in stream.consumers() if pending and name not in running}
