"""Render a listener's year as one HTML file. It runs no script and loads nothing; its policy enforces both."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from worker.escaping import printable
from worker.report import drawing, wording
from worker.report.drawing import Grid
from worker.report.shades import Shades
from worker.report.year import Year
from worker.statistics import Subject

_HALF: Final = 6
_MONTHS: Final = range(1, 13)


def page(year: Year, *, made_on: date) -> str:
    """The page as text. Names of users, songs and artists are escaped, and lose their control characters."""
    style = _style()
    listens = {day.day: day.listens for day in year.days}
    hours = {(hour.weekday, hour.hour): hour.listens for hour in year.hours}
    by_day, by_hour = Shades.of(listens.values()), Shades.of(hours.values())
    return _template().render(
        style=style,
        policy=_policy(style),
        year=year,
        made_on=made_on,
        subjects=Subject,
        words=wording,
        base=drawing.BARS_BASE,
        months=drawing.bars(_by_month(listens)),
        discovered=drawing.bars(_by_month({count.starts_on: count.songs for count in year.discovered})),
        halves=_halves(year, listens, by_day),
        day_legend=by_day.legend(),
        clock=drawing.week_clock(hours, by_hour),
        hours=hours,
        hour_legend=by_hour.legend(),
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("worker.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_without_controls,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


def _without_controls(value: Any) -> Any:
    """Escape control characters, which HTML does not allow. Values with `__html__` are trusted markup."""
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


@cache
def _style() -> str:
    return (files("worker.report") / "page.css").read_text(encoding="utf-8")


def _policy(style: str) -> str:
    """The Content Security Policy: allow this style by its digest, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _by_month(counts: Mapping[date, int]) -> list[int]:
    return [sum(count for day, count in counts.items() if day.month == month) for month in _MONTHS]


def _halves(year: Year, listens: Mapping[date, int], shades: Shades) -> list[Grid]:
    """The calendar in two halves: half a year fits a phone."""
    first, last = year.span.first, year.span.last
    return [
        drawing.calendar(first, date(first.year, _HALF, 30), listens, shades),
        drawing.calendar(date(first.year, _HALF + 1, 1), last, listens, shades),
    ]
