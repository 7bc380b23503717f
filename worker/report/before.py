"""The same year or month a year before, up to the same day if the report's is not over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from worker.contract.identity import loose_title
from worker.statistics import (
    Day,
    Listening,
    Place,
    Span,
    Subject,
    Totals,
    days,
    span,
    top,
    totals,
    year_before,
)

# Deeper than the report's own places: a favourite may have been the 80th a year ago.
_DEPTH: Final = 200


@dataclass(frozen=True)
class Before:
    """The answers about a year before, for comparison. `tops` have those of its first places that are compared.

    `is_cut`: it ends on the day that the report's period has reached.
    """

    span: Span
    is_cut: bool
    totals: Totals
    days: Sequence[Day]
    tops: Mapping[Subject, Sequence[Place]]

    def place_of(self, subject: Subject, place: Place) -> Place | None:
        """The same song, artist or album a year before; None beyond its first places."""
        return next((each for each in self.tops[subject] if _key(each) == _key(place)), None)


def before_of(
    listening: Listening, wanted: Span, *, tops: Mapping[Subject, Sequence[Place]], today: date
) -> Before | None:
    """The same a year before, None without plays. If `wanted` is not over, it ends on the date that is today.

    `tops` are the places to compare. For everyone the places are then left out: charts are drawn for whole periods.
    """
    before = year_before(wanted, today=today)
    found = totals(listening, before) if before else None
    if before is None or found is None or not found.plays:
        return None
    is_cut = before != span(wanted.period, before.first)
    has_tops = not (is_cut and listening.covers_everyone)
    return Before(
        span=before,
        is_cut=is_cut,
        totals=found,
        days=days(listening, before.first, before.last),
        tops={subject: _same(listening, subject, before, tops[subject]) if has_tops else [] for subject in Subject},
    )


def _same(listening: Listening, subject: Subject, before: Span, places: Sequence[Place]) -> Sequence[Place]:
    wanted = {_key(place) for place in places}
    return [place for place in top(listening, subject, before, most=_DEPTH) if _key(place) in wanted]


def _key(place: Place) -> tuple[str, str]:
    return loose_title(place.artist), loose_title(place.title or "")
