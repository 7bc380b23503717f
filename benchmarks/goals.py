"""The figures that the design asks for, and whether a measurement reaches them."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

# A goal's name, whether more or less is asked for, and how much. The words are those of the design, section 8.
_AT_LEAST: Final = "≥"
_AT_MOST: Final = "≤"
_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {_AT_LEAST: operator.ge, _AT_MOST: operator.le}


@dataclass(frozen=True)
class Goal:
    what: str
    relation: str
    figure: float
    unit: str = ""

    def met_by(self, value: float) -> bool:
        return _COMPARE[self.relation](value, self.figure)

    def __str__(self) -> str:
        return f"{self.relation} {self.figure:g}{self.unit and ' '}{self.unit}"


MIX_OF_ONE_COPY: Final = Goal("zik ÷ COPY of the mix, one connection", _AT_LEAST, 0.6)
MIX_OF_TWO_COPIES: Final = Goal("zik ÷ COPY of the mix, two connections", _AT_LEAST, 0.4)
DEFAULTS: Final = Goal("zik as installed ÷ with the best settings, the mix", _AT_LEAST, 0.9)
ORDINARY_OF_ONE_COPY: Final = Goal("zik ÷ COPY of ordinary plays, one connection", _AT_LEAST, 0.7)
OF_SINGLE: Final = Goal("zik ÷ one Celery task per event, ordinary plays", _AT_LEAST, 100)
OF_BATCHES: Final = Goal("zik ÷ celery-batches, ordinary plays", _AT_LEAST, 40)
P50: Final = Goal("XADD to visible row at 1,000 events/s, p50", _AT_MOST, 20, "ms")
P99: Final = Goal("XADD to visible row at 1,000 events/s, p99", _AT_MOST, 150, "ms")
GROWTH: Final = Goal("throughput with the most plays stored ÷ with none", _AT_LEAST, 0.8)
WAITING: Final = Goal("Redis memory per waiting event beyond its JSON", _AT_MOST, 60, "B")
CHILD: Final = Goal("worker memory, largest process", _AT_MOST, 150, "MB")
REFRESH: Final = Goal("refreshing after 1,000 new plays ÷ computing everything", _AT_MOST, 0.01)
BESIDE: Final = Goal("recording beside running statistics ÷ alone", _AT_LEAST, 0.9)
BEHIND: Final = Goal("how far statistics are behind while recording at full speed", _AT_MOST, 15, "s")
PUBLISHING: Final = Goal("SDK batches ÷ plain pipeline of ready-made JSON", _AT_LEAST, 0.5)
PLAY: Final = Goal("what play() costs the player, median", _AT_MOST, 50, "µs")
QUESTION: Final = Goal("a question over one user's 100,000 plays", _AT_MOST, 50, "ms")
CHART: Final = Goal("a chart for everyone", _AT_MOST, 20, "ms")
DECODE: Final = Goal("decoding an event of any shape ÷ an ordinary play", _AT_MOST, 1.5)
HTTP_SINGLES: Final = Goal("zik serve, singles at 16 ÷ the producer one by one", _AT_LEAST, 0.5)
HTTP_SINGLES_2: Final = Goal("zik serve with 2 processes, singles at 16 ÷ the producer one by one", _AT_LEAST, 0.9)
HTTP_IMPORTS: Final = Goal("zik serve, imports ÷ the producer by 100", _AT_LEAST, 0.4)
HTTP_IMPORTS_2: Final = Goal("zik serve with 2 processes, imports ÷ the producer by 100", _AT_LEAST, 0.55)
HTTP_EVENTS: Final = Goal("zik serve, /v1/events ÷ the producer by 100", _AT_LEAST, 0.5)
HTTP_EVENTS_2: Final = Goal("zik serve with 2 processes, /v1/events ÷ the producer by 100", _AT_LEAST, 0.65)
HTTP_MALOJA: Final = Goal("zik serve, singles ÷ Maloja", _AT_LEAST, 15)
HTTP_MALOJA_IMPORTS: Final = Goal("zik serve, imports ÷ Maloja", _AT_LEAST, 80)
HTTP_P50: Final = Goal("zik serve, a single at 1 connection, p50", _AT_MOST, 0.5, "ms")
HTTP_P99: Final = Goal("zik serve, a single at 16 connections, p99", _AT_MOST, 15, "ms")
HTTP_FROZEN: Final = Goal("zik serve, an answer while Redis is frozen", _AT_MOST, 6, "s")
PAGE_P50: Final = Goal("a page of a user with a million plays, p50", _AT_MOST, 30, "ms")
PAGE_P99: Final = Goal("a page of a user with a million plays, p99", _AT_MOST, 150, "ms")
PAGE_SIZE: Final = Goal("the largest page", _AT_MOST, 60, "kB")
IDLE_CPU: Final = Goal("zik up while nothing happens, of a core", _AT_MOST, 1, "%")
IDLE_MEMORY: Final = Goal("zik up while nothing happens, memory of all its processes", _AT_MOST, 250, "MB")
RECOMPUTE: Final = Goal("zik recompute", _AT_MOST, 60, "min")
VERIFY: Final = Goal("zik verify", _AT_MOST, 60, "min")
