from typing import Annotated

import typer

from worker.cli.messages import AsJson, complain, print_json, say
from worker.operations.health import LATE_S, check_health

Here = Annotated[bool, typer.Option("--here", help="Only the worker on this host: for a container's probe.")]
Within = Annotated[float, typer.Option("--within", min=1, help="Seconds within which a drain must have made progress.")]


def health(*, here: Here = False, within: Within = LATE_S, as_json: AsJson = False) -> None:
    """Report whether drains make progress. Exit code 0 if they do, 1 if not; an empty stream is healthy.

    Unhealthy: no drain has committed a batch or found the stream empty for that long, or (without --here) an event has
    waited longer.
    """
    found = check_health(here=here, within_s=within)
    if as_json:
        print_json({"well": found.well, "detail": found.detail})
    elif found.well:
        say(found.detail)
    else:
        complain(found.detail)
    raise typer.Exit(code=0 if found.well else 1)
