"""Say which option of `zik import` makes no sense."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from worker.importers.options import OptionError


@contextmanager
def named_options() -> Iterator[None]:
    try:
        yield
    except OptionError as error:
        raise typer.BadParameter(str(error), param_hint=f"--{error.option}") from None
