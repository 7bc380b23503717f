"""Lay out the charts as SVG paths. A unit is a pixel on a phone; one path has all marks of a colour and shade."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from worker.report.shades import Shades
from worker.report.wording import MONTHS, WEEKDAYS
from worker.statistics import ONE_DAY

# A square and its gap. The style sheet has the side, too.
_STEP: Final = 13
_SIDE: Final = 11
_LEFT: Final = 30
_TOP: Final = 16
# A name above the last column is wider than that.
_OVERHANG: Final = 9
_WEEK: Final = 7
_HOURS: Final = 24
# Half a year: as wide as a phone.
_WEEKS: Final = 27

# The ring stands in a square of 400 units.
RING: Final = 400
_INNER: Final = 92.0
_LENGTH: Final = 100.0
_LEAST: Final = 2.5


@dataclass(frozen=True)
class Label:
    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Marks:
    """The squares of one shade, in one colour: `colour` is None for all fields without a count.

    `path` has a line half a unit above the middle of each square, to be drawn half a unit lower, as wide as a square.
    """

    colour: int | None
    level: int
    path: str


@dataclass(frozen=True)
class Grid:
    """A heat map of seven rows."""

    width: int
    height: int
    marks: Sequence[Marks]
    labels: Sequence[Label]


@dataclass(frozen=True)
class Ray:
    """The days of one colour in the ring."""

    colour: int
    path: str


@dataclass(frozen=True)
class Days:
    """What a calendar shows: the days from `first` to `last`, with their counts and colours."""

    first: date
    last: date
    count_of: Mapping[date, int]
    colour_of: Mapping[date, int]


def calendar(days: Days, shades: Shades) -> Sequence[Grid]:
    """A column for each week from Monday, with the months above: in parts of half a year that have one scale."""
    monday = days.first - days.first.weekday() * ONE_DAY
    weeks = (days.last - monday).days // _WEEK + 1
    # A year may touch 54 weeks: two parts of 27.
    return [_part(days, shades, monday + start * _WEEK * ONE_DAY) for start in range(0, weeks, _WEEKS)]


def _part(days: Days, shades: Shades, monday: date) -> Grid:
    begin, end = max(monday, days.first), min(monday + (_WEEKS * _WEEK - 1) * ONE_DAY, days.last)

    def column(day: date) -> int:
        return (day - monday).days // _WEEK

    shown = [begin + number * ONE_DAY for number in range((end - begin).days + 1)]
    fields = (
        (days.colour_of.get(day, 0), shades.level(days.count_of.get(day, 0)), column(day), day.weekday())
        for day in shown
    )
    # Above the first week that begins in the month. There the names never touch.
    names = [(column(day), MONTHS[day.month - 1]) for day in shown if day.weekday() == 0 and day.day <= _WEEK]
    return _grid(_WEEKS, fields, names)


def week_clock(count_of: Mapping[tuple[int, int], int], shades: Shades, colour: int) -> Grid:
    """A column for each hour of the day; the counts are by ISO weekday and hour."""
    fields = (
        (colour, shades.level(count_of.get((row + 1, hour), 0)), hour, row)
        for row in range(_WEEK)
        for hour in range(_HOURS)
    )
    return _grid(_HOURS, fields, [(hour, f"{hour}") for hour in range(0, _HOURS, 3)])


def _grid(columns: int, fields: Iterable[tuple[int, int, int, int]], names: Sequence[tuple[int, str]]) -> Grid:
    """Fields are colour, level, column and row."""
    squares = defaultdict[tuple[int | None, int], list[str]](list)
    for colour, level, column, row in fields:
        # A thick line is a square in half the letters.
        squares[colour if level else None, level].append(f"M{_x(column)} {_TOP + row * _STEP + _SIDE // 2}h{_SIDE}")
    weekdays = [Label(0, _TOP + row * _STEP + 10, weekday) for row, weekday in enumerate(WEEKDAYS) if row % 2 == 0]
    above = [Label(_x(column), _TOP - 6, name) for column, name in names]
    marks = [Marks(colour, level, "".join(paths)) for (colour, level), paths in squares.items()]
    return Grid(_x(columns) + _OVERHANG, _TOP + _WEEK * _STEP, marks, [*weekdays, *above])


def _x(column: int) -> int:
    return _LEFT + column * _STEP


def ring(days: Sequence[date], count_of: Mapping[date, int], colour_of: Mapping[date, int]) -> Sequence[Ray]:
    """The days clockwise from the top, each a ray as long as the root of its count, so that quiet days show, too."""
    most = max([*(count_of.get(day, 0) for day in days), 1])
    rays = defaultdict[int, list[str]](list)
    for number, day in enumerate(days):
        count = count_of.get(day, 0)
        if count:
            angle = math.tau * (number + 0.5) / len(days)
            length = _LEAST + _LENGTH * math.sqrt(count / most)
            rays[colour_of.get(day, 0)].append(_ray(angle, _INNER, _INNER + length))
    return [Ray(colour, "".join(paths)) for colour, paths in rays.items()]


def _ray(angle: float, inner: float, outer: float) -> str:
    x, y = math.sin(angle), -math.cos(angle)
    middle = RING / 2
    length = outer - inner
    return f"M{_pair(middle + inner * x, middle + inner * y)}l{_pair(length * x, length * y)}"


def _pair(x: float, y: float) -> str:
    """Two numbers in as few letters as SVG needs: a minus separates them, too."""
    first, second = (f"{number:.1f}".removesuffix(".0") for number in (x, y))
    return first + second if second.startswith("-") else f"{first} {second}"
