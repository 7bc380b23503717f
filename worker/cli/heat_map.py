"""Heat maps in a terminal: coloured squares, or shaded ones where there are no colours."""

import math
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Final

from rich.text import Text

from worker.cli.terminal import console
from worker.report.shades import Shades
from worker.report.wording import MONTHS, WEEKDAYS

_DAY: Final = timedelta(days=1)
_WEEK: Final = 7 * _DAY
_LABEL: Final = 4
_WIDE: Final = 2
# By so much a month's name stands out beyond the week above which it begins.
_OVERHANG: Final = 2
_COLOURS: Final = ("grey35", "#0e6e3a", "#1f9d55", "#4cc777", "#a6f0ba")
_COLOURED: Final = "·■■■■"
_SHADED: Final = "·░▒▓█"


def heat_map(columns: Sequence[Sequence[int | None]], heading: str, shades: Shades, *, wide: bool) -> Text:
    """A row for each weekday below the heading; a column is seven counts, of which None leaves a gap."""
    lines = [Text(" " * _LABEL + heading, style="dim")]
    for row, weekday in enumerate(WEEKDAYS):
        # Every other name: rows stand close.
        line = Text(weekday.ljust(_LABEL) if row % 2 == 0 else " " * _LABEL, style="dim")
        line.append_text(Text(" " * wide).join(_square(column[row], shades) for column in columns))
        lines.append(line)
    return Text("\n").join(lines)


def fits_wide(columns: int) -> bool:
    """Whether the window has room for so many squares with gaps between them."""
    return console.width >= _LABEL + _WIDE * columns - 1 + _OVERHANG


def _square(count: int | None, shades: Shades) -> Text:
    return Text(" ") if count is None else _shade(shades.level(count))


def _shade(level: int) -> Text:
    squares = _COLOURED if console.color_system else _SHADED
    # A style of its own, or the label's would show through.
    return Text(squares[level], style=f"not dim {_COLOURS[level]}")


def legend(shades: Shades) -> Text:
    """What the shades stand for: on one line, or where that is too long, on a line each."""
    told = [_shade(0).append(" none")]
    for level, begin, end in shades.legend():
        told.append(_shade(level).append(f" {begin:,}" + (f" to {end:,}" if end > begin else "")))
    line = Text("   ").join(told)
    told = [line] if _LABEL + line.cell_len <= console.width else told
    return Text("\n").join(Text(" " * _LABEL).append_text(part) for part in told)


def calendar(count_of: Callable[[date], int], first: date, last: date, shades: Shades) -> Text:
    """A column for each week, from Monday, with the months above; squares apart where the window is wide enough.

    Where it is too narrow for the squares alone, the weeks go on below.
    """
    monday = first - first.weekday() * _DAY
    mondays = [monday + number * _WEEK for number in range((last - monday) // _WEEK + 1)]
    wide = fits_wide(len(mondays))
    parts = [mondays] if wide else _parts(mondays, most=max(1, console.width - _LABEL - _OVERHANG))

    def week(start: date) -> list[int | None]:
        days = (start + row * _DAY for row in range(7))
        return [count_of(day) if first <= day <= last else None for day in days]

    drawn = (
        heat_map([week(start) for start in part], _month_names(part, step=_WIDE if wide else 1), shades, wide=wide)
        for part in parts
    )
    return Text("\n\n").join([*drawn, legend(shades)])


def _parts(mondays: Sequence[date], *, most: int) -> Sequence[Sequence[date]]:
    """As few parts as can be, of about as many weeks each."""
    size = math.ceil(len(mondays) / math.ceil(len(mondays) / most))
    return [mondays[begin : begin + size] for begin in range(0, len(mondays), size)]


def _month_names(mondays: Sequence[date], *, step: int) -> str:
    """Each month's name above the first week that begins in it, unless it would touch the one before."""
    names = ""
    for number, monday in enumerate(mondays):
        if monday.day <= _WEEK.days and len(names) <= max(0, number * step - 1):
            names = names.ljust(number * step) + MONTHS[monday.month - 1]
    return names
