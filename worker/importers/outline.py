"""What an import has found, over all its files, small enough to be kept and shown."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import islice
from typing import Final, TypeVar

import msgspec

from worker.importers.importer import Summary
from worker.importers.rows import Refusal

Counted = TypeVar("Counted", str, int)

# An archive may have thousands of damaged files.
_MOST_SHOWN: Final = 50
_OPTION: Final = re.compile(r"; (?:or )?add --")


class FormatFound(msgspec.Struct):
    """Of the files in one format. Days are the listener's own."""

    name: str
    plays: int = 0
    favorites: int = 0
    first_day: date | None = None
    last_day: date | None = None


class Shown(msgspec.Struct):
    """A refused row or a detail left out: safe to show, and without its value."""

    file: str
    place: str
    reason: str
    detail: str


class Outline(msgspec.Struct):
    """Counts by what they are: refused rows by reason, rows that are no plays by kind, details by name.

    `years`: of refused rows whose clock was not set. `unread`: why a file as a whole was not read. `local_times`: rows
    refused because nobody has said where their time is from.
    """

    formats: list[FormatFound]
    refused: dict[str, int]
    left_out: dict[str, int]
    details: dict[str, int]
    years: dict[int, int]
    dates_only: int
    shown: list[Shown]
    unread: list[str]
    local_times: int = 0

    @property
    def events(self) -> int:
        return sum(each.plays + each.favorites for each in self.formats)


def outline_of(summaries: Sequence[Summary], unread: Sequence[str], *, shown_as: tuple[str, str]) -> Outline:
    """Add up the summaries of all parts. `shown_as`: the path that was opened, and the name to show in its place."""
    formats: dict[str, FormatFound] = {}
    for summary in summaries:
        found = formats.setdefault(summary.format, FormatFound(summary.format))
        found.plays += summary.plays
        found.favorites += summary.favorites
        for day in filter(None, (summary.first_day, summary.last_day)):
            found.first_day = min(found.first_day or day, day)
            found.last_day = max(found.last_day or day, day)
    rows = ((each.name.replace(*shown_as), row) for each in summaries for row in (*each.shown, *each.shown_details))
    return Outline(
        formats=list(formats.values()),
        refused=_total(summary.refused for summary in summaries),
        left_out=_total(summary.left_out for summary in summaries),
        details=_total(summary.details for summary in summaries),
        years=_total(summary.years for summary in summaries),
        dates_only=sum(summary.dates_only for summary in summaries),
        local_times=sum(summary.local_times for summary in summaries),
        shown=[_shown(file, row) for file, row in islice(rows, _MOST_SHOWN)],
        unread=[text.replace(*shown_as) for text in unread[:_MOST_SHOWN]],
    )


def _shown(file: str, refusal: Refusal) -> Shown:
    return Shown(file, refusal.place, refusal.reason, without_options(refusal.detail))


def without_options(text: str) -> str:
    """The text without its way out by options of the command, for which a page has fields."""
    return _OPTION.split(text)[0]


def _total(counts: Iterable[Counter[Counted]]) -> dict[Counted, int]:
    return dict(sum(counts, Counter[Counted]()).most_common())
