"""The moments of a report in the order in which they happened, and what is most striking about a song and the hours."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from worker.report.measure import Measure
from worker.report.personal import Personal
from worker.report.wording import MONTH_NAMES, WEEKDAY_NAMES, amount, day_name
from worker.report.year import Year
from worker.statistics import Day, Listen, WeekHour

_SATURDAY: Final = 5
_DAY_SHARE: Final = 3
_MOST_SHARE: Final = 2


@dataclass(frozen=True)
class Moment:
    """What happened on a day, with the song that it is about, if there is one."""

    day: date
    what: str
    artist: str | None = None
    title: str | None = None
    detail: str = ""


def moments(year: Year, measure: Measure) -> Sequence[Moment]:
    """All moments by day. The first and the last song enclose them."""
    found = [*_biggest(year, measure)]
    if year.personal is None:
        return found
    found += _of_listener(year.personal, measure)
    found.sort(key=lambda moment: moment.day)
    ends = year.personal.ends
    if ends is None:
        return found
    last = "The last song so far" if year.runs else "The last song"
    both = [_song("The first song", ends.first), _song(last, ends.last)]
    return [both[0], *found, *(both[1:] if ends.first != ends.last else [])]


def _song(what: str, listen: Listen) -> Moment:
    return Moment(listen.at.date(), what, listen.artist, listen.title, f"at {listen.at:%H:%M}")


def _biggest(year: Year, measure: Measure) -> Iterator[Moment]:
    if year.biggest:
        day, song = year.biggest.day, year.biggest.song
        yield Moment(
            day.day, "The biggest day", song.artist, song.title, f"{measure.text([day])}, this song most of all"
        )


def _of_listener(personal: Personal, measure: Measure) -> Iterator[Moment]:
    for milestone in personal.milestones:
        listen = milestone.listen
        yield Moment(
            listen.at.date(),
            f"The {milestone.number:,}th listen ever",
            listen.artist,
            listen.title,
            f"at {listen.at:%H:%M}",
        )
    if run := personal.run:
        heard = f", {measure.text([run])}" if measure.in_time else ""
        yield Moment(run.first, "The longest run", run.artist, run.title, f"{run.listens:,} times in a row{heard}")
    if (streak := personal.streak) and streak.days > 1:
        detail = f"{amount(streak.days, 'day')} in a row with music, until {day_name(streak.last)}"
        yield Moment(streak.first, "The longest streak begins", detail=detail)


def peak(song_days: Sequence[Day], *, months: bool) -> str:
    """When a song was heard most: on one day, in a month, on a weekday. Empty if it was heard once."""
    listens = {day.day: day.listens for day in song_days if day.listens}
    total = sum(listens.values())
    if total <= 1:
        return ""
    day = max(listens, key=lambda each: listens[each])
    if listens[day] * _DAY_SHARE >= total:
        return f"{_of_them(listens[day], total)} on {day.day} {MONTH_NAMES[day.month - 1]}"
    weekday, on_weekday = _most([(WEEKDAY_NAMES[day.weekday()] + "s", number) for day, number in listens.items()])
    month, in_month = _most([(MONTH_NAMES[day.month - 1], number) for day, number in listens.items()])
    if months and in_month * _MOST_SHARE > total:
        return f"most of them in {month}"
    weekends = sum(number for day, number in listens.items() if day.weekday() >= _SATURDAY)
    if on_weekday * _MOST_SHARE <= total < weekends * _MOST_SHARE:
        return "most of them at weekends"
    if on_weekday * _MOST_SHARE > total or not months:
        return f"{_of_them(on_weekday, total)} on {weekday}"
    return f"{_of_them(in_month, total)} in {month}"


def _most(counts: Sequence[tuple[str, int]]) -> tuple[str, int]:
    sums = Counter[str]()
    for name, number in counts:
        sums[name] += number
    return sums.most_common(1)[0]


def _of_them(part: int, total: int) -> str:
    if part == total:
        return "all of them"
    return "most of them" if part * _MOST_SHARE > total else f"{part:,} of them"


def best_hour(hours: Sequence[WeekHour]) -> str:
    """The hour of the week with the most listens: `Tuesday, 16:00 to 17:00`; empty without any."""
    best = max(hours, key=lambda hour: hour.listens, default=None)
    if best is None or not best.listens:
        return ""
    return f"{WEEKDAY_NAMES[best.weekday - 1]}, {best.hour:02}:00 to {(best.hour + 1) % 24:02}:00"
