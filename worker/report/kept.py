"""Keep the answers about years that are over, as long as nothing has changed that they were made of."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import replace
from datetime import date
from threading import Lock
from typing import Final

from worker.report.year import Year, year_of
from worker.statistics import Listener, Period, UserListening, settled, span

# Some hundred kilobytes each.
_MOST: Final = 64


class KeptYears:
    """The years that were asked for last, of all listeners. Threads may share it."""

    def __init__(self) -> None:
        self._years: OrderedDict[Hashable, Year] = OrderedDict()
        self._lock = Lock()

    def year_of(self, listening: UserListening, listener: Listener, year: int, *, today: date) -> Year:
        """The same as `year.year_of`, without its questions if the year's answers are kept and still hold."""
        last = span(Period.YEAR, date(year, 1, 1)).last
        proof = settled(listening, last) if today > last else None
        if proof is None:
            return year_of(listening, listener, year, today=today)
        key = (proof, year)
        with self._lock:
            kept = self._years.get(key)
        if kept is None:
            kept = year_of(listening, listener, year, today=today)
        with self._lock:
            self._years[key] = kept
            self._years.move_to_end(key)
            while len(self._years) > _MOST:
                self._years.popitem(last=False)
        return replace(kept, listener=listener, today=today)
