"""The report's figures and rows in words, each with that of a year before beside it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from worker.contract.identity import loose_title
from worker.report.colours import colour_of
from worker.report.measure import Measure
from worker.report.wording import MONTHS, WEEKDAYS, amount, minutes, share
from worker.report.year import Part, Year
from worker.statistics import Period, Place, Subject, Totals


@dataclass(frozen=True)
class Figure:
    """A number with its name. `before` is the same a year before, empty without plays."""

    value: str
    name: str
    before: str = ""


@dataclass(frozen=True)
class Row:
    """A month or a day with its first artist; `percent` is the length of its bar."""

    name: str
    artist: str | None
    colour: int
    text: str
    percent: float
    before: str


@dataclass(frozen=True)
class Ranked:
    """A place with its tile's colour, its time or listens, and its listens a year before."""

    artist: str
    title: str | None
    colour: int
    text: str
    time: str
    percent: float
    before: str


def headline(year: Year, measure: Measure) -> Figure:
    """The minutes, or where players report none the listens: the only figure that the poster has in large."""

    def of(totals: Totals) -> str:
        return minutes(totals.ms_played) if measure.in_time else amount(totals.listens, "listen")

    before = year.before.totals if year.before else None
    return Figure(of(year.totals), "", of(before) if before and measure.count([before]) else "")


def figures(year: Year, measure: Measure) -> Iterator[Figure]:
    """The other totals. Songs, artists and days are those of the report's whole span."""
    now, then = year.totals, year.before.totals if year.before else None

    def figure(attribute: str, name: str) -> Figure:
        return Figure(f"{getattr(now, attribute):,}", name, "" if then is None else f"{getattr(then, attribute):,}")

    if measure.in_time:
        yield figure("listens", "listens")
    yield figure("songs", "songs")
    yield figure("artists", "artists")
    if year.listener is None:
        yield figure("listeners", "listeners")
    yield figure("days", "days with music")
    if now.skips:
        before = "" if then is None else share(then.skips, then.plays)
        yield Figure(share(now.skips, now.plays), f"of {amount(now.plays, 'play')} skipped", before)


def rows(year: Year, measure: Measure, colours: Mapping[str, int]) -> Sequence[Row]:
    """The parts of the span from the first play on, up to today."""
    first, last = drawn_days(year)
    parts = [part for part in year.parts if part.span.last >= first and part.span.first <= last]
    heard = [[day for day in year.days if day.day in part.span] for part in parts]
    most = max(*(measure.count(days) for days in heard), 1)
    return [
        Row(
            name=_part_name(part),
            artist=part.artist.artist if part.artist else None,
            colour=colours[loose_title(part.artist.artist)] if part.artist else 0,
            text=measure.text(days),
            percent=round(100 * measure.count(days) / most, 1),
            before=_part_before(year, part, measure),
        )
        for part, days in zip(parts, heard, strict=True)
    ]


def drawn_days(year: Year) -> tuple[date, date]:
    """The first and the last day that charts show: from the first play of a history, up to today."""
    since = year.personal.since if year.personal else year.totals.first_day or year.span.first
    return max(since, year.span.first), min(year.today, year.span.last) if year.runs else year.span.last


def _part_name(part: Part) -> str:
    day = part.span.first
    if part.span.period is Period.MONTH:
        return MONTHS[day.month - 1]
    return f"{WEEKDAYS[day.weekday()]} {day.day}"


def _part_before(year: Year, part: Part, measure: Measure) -> str:
    """The same month of the year before. The days of two months are not compared."""
    if year.before is None or part.span.period is not Period.MONTH:
        return ""
    days = [day for day in year.before.days if day.day.month == part.span.first.month]
    return measure.before(days)


def places(year: Year, subject: Subject, measure: Measure, colours: Mapping[str, int]) -> Sequence[Ranked]:
    """The first places. Artists and albums have their time, which is what people ask of them."""
    found = year.tops[subject]
    most = max([place.listens for place in found], default=1)
    in_time = measure.in_time and subject is not Subject.SONG
    return [
        Ranked(
            artist=place.artist,
            title=place.title,
            colour=colours.get(loose_title(place.artist), colour_of(place.artist)),
            text=f"{place.listens:,}",
            time=measure.text([place]) if in_time else "",
            percent=round(100 * place.listens / most, 1),
            before=_place_before(year, subject, place),
        )
        for place in found
    ]


def _place_before(year: Year, subject: Subject, place: Place) -> str:
    before = year.before and year.before.place_of(subject, place)
    return f"{before.listens:,}" if before else ""
