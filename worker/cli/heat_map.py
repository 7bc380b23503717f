"""Heat maps in a terminal: coloured squares, or shaded ones where there are no colours."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Final

from rich.text import Text

from worker.cli.terminal import console
from worker.report.wording import MONTHS, WEEKDAYS
from worker.statistics.heat import Shades

_DAY: Final = timedelta(days=1)
_WEEK: Final = 7 * _DAY
_LABEL: Final = 4
_WIDE: Final = 2
_COLOURS: Final = ("grey35", "#0e6e3a", "#1f9d55", "#4cc777", "#a6f0ba")
_COLOURED: Final = "·■■■■"
_SHADED: Final = "·░▒▓█"


def heat_map(columns: Sequence[Sequence[int | None]], heading: str, shades: Shades, *, wide: bool) -> Text:
    """A row for each weekday below the heading; a column is seven counts, of which None leaves a gap."""
    lines = [Text(" " * _LABEL + heading, style="dim")]
    for row, weekday in enumerate(WEEKDAYS):
        # Every other name: rows stand close.
        line = Text(weekday.ljust(_LABEL) if row % 2 == 0 else " " * _LABEL, style="dim")
        for column in columns:
            line.append_text(_square(column[row], shades))
            line.append(" " * wide)
        lines.append(line)
    return Text("\n").join([*lines, Text(), legend(shades)])


def _square(count: int | None, shades: Shades) -> Text:
    return Text(" ") if count is None else _shade(shades.level(count))


def _shade(level: int) -> Text:
    squares = _COLOURED if console.color_system else _SHADED
    # A style of its own, or the label's would show through.
    return Text(squares[level], style=f"not dim {_COLOURS[level]}")


def legend(shades: Shades) -> Text:
    told = Text(" " * _LABEL).append_text(_shade(0)).append(" none")
    for level, begin, end in shades.legend():
        told.append("   ").append_text(_shade(level)).append(f" {begin:,}" + (f" to {end:,}" if end > begin else ""))
    return told


def calendar(count_of: Callable[[date], int], first: date, last: date, shades: Shades) -> Text:
    """A column for each week, from Monday, with the months above; squares apart where the window is wide enough."""
    monday = first - first.weekday() * _DAY
    mondays = [monday + number * _WEEK for number in range((last - monday) // _WEEK + 1)]
    wide = console.width >= _LABEL + _WIDE * len(mondays)
    columns = [
        [count_of(day) if first <= day <= last else None for day in (start + row * _DAY for row in range(7))]
        for start in mondays
    ]
    return heat_map(columns, _month_names(mondays, step=_WIDE if wide else 1), shades, wide=wide)


def _month_names(mondays: Sequence[date], *, step: int) -> str:
    """Each month's name above the first week that begins in it, unless it would touch the one before."""
    names = ""
    for number, monday in enumerate(mondays):
        if monday.day <= _WEEK.days and len(names) <= max(0, number * step - 1):
            names = names.ljust(number * step) + MONTHS[monday.month - 1]
    return names
