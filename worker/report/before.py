"""The period before the report's: last year, or the month before, up to the same day if the report's is not over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from worker.contract.identity import loose_title
from worker.statistics import ONE_DAY, Day, Listening, Place, Span, Subject, Totals, days, span, top, totals

# Deeper than the report's own places: a favourite may have been the 80th a year ago.
_DEPTH: Final = 200


@dataclass(frozen=True)
class Before:
    """The answers about the period before, for comparison. `tops` have its first places.

    `is_cut`: it ends on the day that the report's period has reached.
    """

    span: Span
    is_cut: bool
    totals: Totals
    days: Sequence[Day]
    tops: Mapping[Subject, Sequence[Place]]

    def place_of(self, subject: Subject, place: Place) -> Place | None:
        """The same song, artist or album in the period before; None beyond its first places."""
        return next((each for each in self.tops[subject] if _key(each) == _key(place)), None)


def before_of(listening: Listening, wanted: Span, *, today: date) -> Before | None:
    """The period before, None without plays. If `wanted` is not over, it ends on the same day as `wanted` does now.

    For everyone the places are then left out: charts are drawn for whole periods.
    """
    whole = span(wanted.period, wanted.first - ONE_DAY)
    before = _until(whole, today, wanted) if today < wanted.last else whole
    found = totals(listening, before)
    if not found.plays:
        return None
    has_tops = before == whole or not listening.covers_everyone
    return Before(
        span=before,
        is_cut=before != whole,
        totals=found,
        days=days(listening, before.first, before.last),
        tops={subject: top(listening, subject, before, most=_DEPTH) if has_tops else [] for subject in Subject},
    )


def _until(whole: Span, today: date, wanted: Span) -> Span:
    """As many days of a period as `wanted` has had by today, which is the same date but after a leap day."""
    return whole._replace(last=min(whole.last, whole.first + (max(today, wanted.first) - wanted.first)))


def _key(place: Place) -> tuple[str, str]:
    return loose_title(place.artist), loose_title(place.title or "")
