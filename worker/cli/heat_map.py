"""Draw heat maps in a terminal: coloured squares, or shaded ones if it has no colours."""

import math
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

from rich.text import Text

from worker.cli.terminal import console
from worker.report.shades import Shades
from worker.report.wording import MONTHS, WEEKDAYS
from worker.statistics import ONE_DAY

_WEEK: Final = 7 * ONE_DAY
_LABEL: Final = 4
_WIDE: Final = 2
# Columns a month label extends past its first week.
_OVERHANG: Final = 2
_COLOURS: Final = ("grey35", "#0e6e3a", "#1f9d55", "#4cc777", "#a6f0ba")
_COLOURED: Final = "·■■■■"
_SHADED: Final = "·░▒▓█"


def heat_map(columns: Sequence[Sequence[int | None]], heading: str, shades: Shades, *, wide: bool) -> Text:
    """A row for each weekday below the heading. A column has seven counts; None leaves a gap."""
    lines = [Text(" " * _LABEL + heading, style="dim")]
    for row, weekday in enumerate(WEEKDAYS):
        # Label every other row: rows have no space between them.
        line = Text(weekday.ljust(_LABEL) if row % 2 == 0 else " " * _LABEL, style="dim")
        line.append_text(Text(" " * wide).join(_square(column[row], shades) for column in columns))
        lines.append(line)
    return Text("\n").join(lines)


def fits_wide(columns: int) -> bool:
    """Whether the window is wide enough for so many squares with gaps between them."""
    return console.width >= _LABEL + _WIDE * columns - 1 + _OVERHANG


def _square(count: int | None, shades: Shades) -> Text:
    return Text(" ") if count is None else _shade(shades.level(count))


def _shade(level: int) -> Text:
    squares = _COLOURED if console.color_system else _SHADED
    # `not dim`, because the label's style applies to the whole line.
    return Text(squares[level], style=f"not dim {_COLOURS[level]}")


def legend(shades: Shades) -> Text:
    """The counts of each shade, on one line if it fits, else on a line each."""
    parts = [_shade(0).append(" none")]
    for level, begin, end in shades.legend():
        parts.append(_shade(level).append(f" {begin:,}" + (f" to {end:,}" if end > begin else "")))
    line = Text("   ").join(parts)
    lines = [line] if _LABEL + line.cell_len <= console.width else parts
    return Text("\n").join(Text(" " * _LABEL).append_text(each) for each in lines)


def calendar(count_of: Callable[[date], int], first: date, last: date, shades: Shades) -> Text:
    """A column for each week, from Monday, with the months above.

    A wide window has gaps between squares. A window that is too narrow for all weeks has parts below each other.
    """
    monday = first - first.weekday() * ONE_DAY
    mondays = [monday + number * _WEEK for number in range((last - monday) // _WEEK + 1)]
    wide = fits_wide(len(mondays))
    parts = [mondays] if wide else _parts(mondays, most=max(1, console.width - _LABEL - _OVERHANG))

    def week(start: date) -> list[int | None]:
        days = (start + row * ONE_DAY for row in range(7))
        return [count_of(day) if first <= day <= last else None for day in days]

    drawn = (
        heat_map([week(start) for start in part], _month_names(part, step=_WIDE if wide else 1), shades, wide=wide)
        for part in parts
    )
    return Text("\n\n").join([*drawn, legend(shades)])


def _parts(mondays: Sequence[date], *, most: int) -> Sequence[Sequence[date]]:
    """As few parts as possible, with about the same number of weeks."""
    size = math.ceil(len(mondays) / math.ceil(len(mondays) / most))
    return [mondays[begin : begin + size] for begin in range(0, len(mondays), size)]


def _month_names(mondays: Sequence[date], *, step: int) -> str:
    """Each month's name above the first week that begins in it, unless it would touch the previous name."""
    names = ""
    for number, monday in enumerate(mondays):
        if monday.day <= _WEEK.days and len(names) <= max(0, number * step - 1):
            names = names.ljust(number * step) + MONTHS[monday.month - 1]
    return names
