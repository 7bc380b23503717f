"""Lay out heat maps as tables, so that what is drawn can be read: months of days, and the hours of the week."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from worker.pages import links
from worker.report.shades import Shades
from worker.report.wording import MONTHS, WEEKDAYS
from worker.statistics import ONE_DAY, Day, Period, WeekHour, span

_WEEK: Final = 7
_HOURS: Final = 24


@dataclass(frozen=True)
class DayCell:
    """A day with its listens. `plays` says whether there is anything to open."""

    day: date
    level: int
    listens: int
    plays: int


@dataclass(frozen=True)
class MonthOfDays:
    """A month as on a wall: rows of seven days from Monday, None outside of the month and of the time asked about."""

    first: date
    listens: int
    weeks: Sequence[Sequence[DayCell | None]]

    @property
    def name(self) -> str:
        return f"{MONTHS[self.first.month - 1]} {self.first.year}"


def months_of_days(days: Sequence[Day], first: date, last: date) -> Sequence[MonthOfDays]:
    """The months from the day `first`, which begins one, to that of `last`."""
    found = {day.day: day for day in days}
    shades = _shades(day.listens for day in days)
    months = []
    while first <= last:
        month = span(Period.MONTH, first)
        cells = [_cell(day, found.get(day), shades) if day <= last else None for day in month.days()]
        padded = [*[None] * first.weekday(), *cells]
        weeks = [padded[at : at + _WEEK] for at in range(0, len(padded), _WEEK)]
        listens = sum(cell.listens for cell in cells if cell)
        months.append(MonthOfDays(month.first, listens, weeks))
        first = month.last + ONE_DAY
    return months


def _shades(counts: Iterable[int]) -> Shades:
    """Of the different counts, where most are alike: one listen on most days and three on one are to look different."""
    some = [count for count in counts if count]
    shades = Shades.of(some)
    if some and shades.level(min(some)) == shades.level(max(some)):
        return Shades.of(set(some))
    return shades


def _cell(day: date, found: Day | None, shades: Shades) -> DayCell:
    if found is None:
        return DayCell(day, 0, 0, 0)
    return DayCell(day, shades.level(found.listens), found.listens, found.plays)


@dataclass(frozen=True)
class HourCell:
    level: int
    listens: int


def week_clock(hours: Sequence[WeekHour]) -> Sequence[tuple[str, Sequence[HourCell]]]:
    """A row for each weekday, from Monday, with its 24 hours."""
    listens: Mapping[tuple[int, int], int] = {(each.weekday, each.hour): each.listens for each in hours}
    shades = _shades(listens.values())
    return [
        (name, [_hour(listens.get((number, hour), 0), shades) for hour in range(_HOURS)])
        for number, name in enumerate(WEEKDAYS, start=1)
    ]


def _hour(listens: int, shades: Shades) -> HourCell:
    return HourCell(shades.level(listens), listens)


def day_cells(week: Sequence[DayCell | None]) -> str:
    """The cells of a week, as HTML of numbers and dates alone. A template takes ten times as long for a year."""
    return "".join(map(_day_cell, week))


def _day_cell(cell: DayCell | None) -> str:
    if cell is None:
        return "<td>"
    number = cell.day.day
    if not cell.plays:
        return f"<td>{number}"
    return f'<td class="l{cell.level}"><a href="{links.day(cell.day)}">{number}<i>: {cell.listens}</i></a>'


def hour_cells(hours: Sequence[HourCell]) -> str:
    """The cells of a weekday, as HTML of numbers alone."""
    return "".join(f'<td class="l{cell.level}"><i>{cell.listens}</i>' for cell in hours)
