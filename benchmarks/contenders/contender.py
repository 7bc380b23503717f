"""What every contender is given, and what it gives back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from benchmarks.data import Shape, payloads
from benchmarks.finished import FinishedRows, finish
from benchmarks.servers import Servers


@dataclass(frozen=True)
class Workload:
    """Single events, all of which wait before the clock starts. Contenders that are slow record the first of them."""

    servers: Servers
    payloads: list[bytes]

    @classmethod
    def of(cls, servers: Servers, shape: Shape) -> "Workload":
        return cls(servers, payloads(shape))

    @cached_property
    def finished(self) -> FinishedRows:
        return finish(self.payloads)


@dataclass(frozen=True)
class Contender:
    """A way to persist plays.

    `run` begins with empty servers, and returns events per second from the moment that the events are released to
    the moment that the last row is committed. `command` is what an operator would type, `setup` what `run` was made of.
    """

    name: str
    command: str
    run: Callable[[Workload], float] = field(repr=False)
    settings: str = ""
    setup: Any = None
