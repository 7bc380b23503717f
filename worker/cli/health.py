from typing import Annotated

import typer

from worker.cli.terminal import AsJson, complain, print_json, say
from worker.operations.health import WITHIN_S, examined

Here = Annotated[bool, typer.Option("--here", help="Only the worker on this host, as a container's probe asks.")]
Within = Annotated[float, typer.Option("--within", min=1, help="Seconds within which a drain must have got through.")]


def health(*, here: Here = False, within: Within = WITHIN_S, as_json: AsJson = False) -> None:
    """Say whether drains get through. Exit code 0 if they do, 1 if not; a stream with nothing in it is healthy.

    Unhealthy: no drain has committed a batch or found the stream empty for that long, or (without --here) an event has
    waited longer.
    """
    found = examined(here=here, within_s=within)
    if as_json:
        print_json({"well": found.well, "told": found.told or found.trouble})
    elif found.well:
        say(found.told)
    else:
        complain(found.trouble)
    raise typer.Exit(code=0 if found.well else 1)
