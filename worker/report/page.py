"""Render a report as one HTML file. It runs no script and loads nothing; its policy enforces both."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from worker.contract.identity import loose_title
from worker.escaping import printable
from worker.report import colours, drawing, figures, moments, wording
from worker.report.measure import Measure
from worker.report.shades import Shades
from worker.report.spans import title_of, zone_of
from worker.report.year import Year
from worker.statistics import AWAY_DAYS, ONE_DAY, STAY_DAYS, Comeback, Period, Subject

# How large the first artist's name is printed: the letters that may be in its longest word, and in all of it.
_SIZES: Final = (("xl", 6, 14), ("l", 10, 30), ("m", 16, 80))
_COMEBACKS: Final = 6
_INDENT: Final = re.compile(r"\s*\n\s*")
# Around what separates the parts of a style sheet that has no texts. The space before a colon may begin a selector.
_SPACES: Final = re.compile(r"\s*([{};,])\s*|(?<=[:])\s+")


def page(year: Year, *, made_on: date, name: str | None = None, above: str = "") -> str:
    """The page as text; the same arguments give the same page.

    Names of users, songs and artists are escaped, and lose their control characters. `name` is how the page calls the
    listener, instead of the name of the account. `above` is trusted markup that stands before the report.
    """
    style = _style()
    measure = Measure.of(year.days)
    palette = palette_of(year)
    html = template("page.html.j2").render(
        style=style,
        policy=_policy(style),
        above=above,
        year=year,
        who=name or (year.listener.username if year.listener else "Everyone"),
        title=title_of(year.span),
        before=_before(year),
        zone=zone_of(year.listener),
        made_on=made_on,
        measure=measure,
        words=wording,
        artists=figures.places(year, Subject.ARTIST, measure, palette),
        songs=figures.places(year, Subject.SONG, measure, palette),
        albums=figures.places(year, Subject.ALBUM, measure, palette),
        headline=figures.headline(year, measure),
        figures=list(figures.figures(year, measure)),
        rows=figures.rows(year, measure, palette),
        moments=moments.moments(year, measure),
        peak=moments.peak(year.song_days, months=year.span.period is Period.YEAR),
        hour=moments.best_hour(year.hours),
        first_size=_size(year.tops[Subject.ARTIST][0].artist) if year.tops[Subject.ARTIST] else "",
        comebacks=_comebacks(year),
        tile_path=colours.tile_path,
        part_of_before=_part_of_before(year),
        colour_of=lambda artist: palette.get(loose_title(artist), colours.colour_of(artist)),
        away_days=AWAY_DAYS,
        stay_days=STAY_DAYS,
        **_charts(year, measure, palette),
    )
    # No text of anyone has a line break: `printable` has escaped them.
    return _INDENT.sub("\n", html)


def _charts(year: Year, measure: Measure, palette: Mapping[str, int]) -> Mapping[str, Any]:
    """The ring, the calendar, the clock, and the numbers of their tables."""
    counts = {day.day: measure.count([day]) for day in year.days}
    hours = {(hour.weekday, hour.hour): measure.count([hour]) for hour in year.hours}
    by_day, by_hour = Shades.of(counts.values()), Shades.of(hours.values())
    of_day = day_colours(year, palette)
    first, last = figures.drawn_days(year)
    accent = accent_of(year, palette)
    is_year = year.span.period is Period.YEAR
    return {
        "accent": accent,
        "ring": drawing.ring(list(year.span.days()), counts, of_day),
        "calendar": drawing.calendar(drawing.Days(first, last, counts, of_day), by_day) if is_year else [],
        "day_legend": by_day.legend(),
        "months": [part.span.first for part in year.parts if first <= part.span.last and part.span.first <= last],
        "counts_of": lambda month, day: _count_of(counts, month, day),
        "clock": drawing.week_clock(hours, by_hour, accent),
        "hours": hours,
        "hour_legend": by_hour.legend(),
    }


def _count_of(counts: Mapping[date, int], month: date, day: int) -> str:
    """The count of a day of a month, empty where the month is shorter."""
    at = month + (day - 1) * ONE_DAY
    return f"{counts.get(at, 0):,}" if at.month == month.month else ""


def _comebacks(year: Year) -> Sequence[Comeback]:
    """Artists and songs by listens. A song whose artist came back as well is left out."""
    if year.personal is None:
        return []
    artists, songs = year.personal.artists_back, year.personal.songs_back
    back = {loose_title(comeback.artist) for comeback in artists}
    others = [comeback for comeback in songs if loose_title(comeback.artist) not in back]
    return sorted([*artists, *others], key=lambda comeback: -comeback.listens)[:_COMEBACKS]


def _before(year: Year) -> str:
    """What figures of the year before are of: `2025`, or `to 28 Nov 2025` while this one runs."""
    if year.before is None:
        return ""
    return f"to {wording.day_name(year.before.span.last)}" if year.before.is_cut else title_of(year.before.span)


def _part_of_before(year: Year) -> date | None:
    """The first day of a history that begins after that of the year before does."""
    if year.before is None or year.personal is None:
        return None
    return year.personal.since if year.personal.since > year.before.span.first else None


def palette_of(year: Year) -> Mapping[str, int]:
    """The colours of the artists of each part, by canonical name."""
    return colours.colours_of(part.artist.artist for part in year.parts if part.artist)


def day_colours(year: Year, palette: Mapping[str, int]) -> Mapping[date, int]:
    """Each day has the colour of the artist of its month, or in a month of the day."""
    return {
        day: palette[loose_title(part.artist.artist)] for part in year.parts if part.artist for day in part.span.days()
    }


def accent_of(year: Year, palette: Mapping[str, int]) -> int:
    """The colour of the first artist, 0 without one."""
    first = next(iter(year.tops[Subject.ARTIST]), None)
    return palette.get(loose_title(first.artist), colours.colour_of(first.artist)) if first else 0


def _size(name: str) -> str:
    """The largest size at which the longest word fits on a phone."""
    word = max(map(len, name.split()), default=0)
    return next((size for size, of_word, of_name in _SIZES if word <= of_word and len(name) <= of_name), "s")


@cache
def template(name: str) -> Template:
    """A template of this package, with names escaped."""
    environment = Environment(
        loader=PackageLoader("worker.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_without_controls,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _without_controls(value: Any) -> Any:
    """Escape control characters, which HTML does not allow. Values with `__html__` are trusted markup."""
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


@cache
def _style() -> str:
    palettes = {"LIGHT": colours.LIGHT, "DARK": colours.DARK}
    style = (files("worker.report") / "page.css").read_text(encoding="utf-8")
    for name, palette in palettes.items():
        style = style.replace(f"/*{name}*/", " ".join(f"--c{number}: {each};" for number, each in enumerate(palette)))
    classes = (f".c{number} {{ --c: var(--c{number}); --deep: {deep}; }}" for number, deep in enumerate(colours.DEEP))
    # As the page itself: the digest is of what the browser reads.
    return _SPACES.sub(lambda found: found[1] or "", style.replace("/*CLASSES*/", "".join(classes)).strip())


def _policy(style: str) -> str:
    """The Content Security Policy: allow this style by its digest, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
