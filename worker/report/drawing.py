"""Lay out the bars and squares of the charts, in units of the SVG's viewBox: one unit is a pixel on a phone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from worker.report.shades import Shades
from worker.report.wording import MONTHS, WEEKDAYS, amount
from worker.statistics import ONE_DAY

# A square and its gap.
_STEP: Final = 13
_LEFT: Final = 30
_TOP: Final = 16
_WEEK: Final = 7
_HOURS: Final = 24

_BAR_STEP: Final = 30
# Space for a number that is wider than its bar.
_BAR_LEFT: Final = 5
_BAR_WIDTH: Final = 22
_BAR_HEIGHT: Final = 110
_THOUSANDS_FROM: Final = 1_000
# From here on there is no space for tenths of a thousand.
_WHOLE_THOUSANDS_FROM: Final = 9_950


@dataclass(frozen=True)
class Label:
    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Square:
    """One field of a heat map. `title` is its value in words."""

    x: int
    y: int
    level: int
    title: str


@dataclass(frozen=True)
class Grid:
    """A heat map of seven rows."""

    width: int
    height: int
    squares: Sequence[Square]
    labels: Sequence[Label]


@dataclass(frozen=True)
class Bar:
    """A bar on the base line at `BARS_BASE`."""

    x: int
    y: float
    height: float
    name: str
    count: int

    @property
    def middle(self) -> float:
        return self.x + _BAR_WIDTH / 2

    @property
    def short(self) -> str:
        """The count in at most four characters, so that it does not touch the next bar's. The table has it in full."""
        if self.count < _THOUSANDS_FROM:
            return str(self.count)
        thousands = self.count / 1000
        return f"{thousands:.1f}k" if self.count < _WHOLE_THOUSANDS_FROM else f"{thousands:.0f}k"


BARS_BASE: Final = _BAR_HEIGHT + _TOP


def bars(counts: Sequence[int]) -> Sequence[Bar]:
    """A bar for each month. The highest fills the chart."""
    most = max(*counts, 1)
    heights = [round(_BAR_HEIGHT * count / most, 1) for count in counts]
    return [
        Bar(_BAR_LEFT + _BAR_STEP * number, round(BARS_BASE - height, 1), height, MONTHS[number], counts[number])
        for number, height in enumerate(heights)
    ]


def calendar(first: date, last: date, count_of: Mapping[date, int], shades: Shades) -> Grid:
    """A column for each week, from Monday, with the months above."""
    monday = first - first.weekday() * ONE_DAY

    def column(day: date) -> int:
        return (day - monday).days // _WEEK

    days = [first + number * ONE_DAY for number in range((last - first).days + 1)]
    squares = [
        _square(column(day), day.weekday(), f"{day.day} {MONTHS[day.month - 1]}", count_of.get(day, 0), shades)
        for day in days
    ]
    # Above the month's first whole week. There the names never touch.
    names = [(column(day + 6 * ONE_DAY), MONTHS[day.month - 1]) for day in days if day.day == 1]
    return _grid(column(last) + 1, squares, names)


def week_clock(count_of: Mapping[tuple[int, int], int], shades: Shades) -> Grid:
    """A column for each hour of the day; the counts are by ISO weekday and hour."""
    squares = [
        _square(hour, row, f"{weekday} {hour:02}:00", count_of.get((row + 1, hour), 0), shades)
        for row, weekday in enumerate(WEEKDAYS)
        for hour in range(_HOURS)
    ]
    return _grid(_HOURS, squares, [(hour, f"{hour}") for hour in range(0, _HOURS, 3)])


def _square(column: int, row: int, name: str, count: int, shades: Shades) -> Square:
    return Square(_x(column), _TOP + row * _STEP, shades.level(count), f"{name}: {amount(count, 'listen')}")


def _grid(columns: int, squares: Sequence[Square], names: Sequence[tuple[int, str]]) -> Grid:
    weekdays = [Label(0, _TOP + row * _STEP + 10, weekday) for row, weekday in enumerate(WEEKDAYS) if row % 2 == 0]
    above = [Label(_x(column), _TOP - 6, name) for column, name in names]
    return Grid(_x(columns), _TOP + _WEEK * _STEP, squares, [*weekdays, *above])


def _x(column: int) -> int:
    return _LEFT + column * _STEP
