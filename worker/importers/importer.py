"""Publish the files of an archive as events, in batches, and report each refused row with its place and reason."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import BinaryIO, Final

from worker.contract.events import Event, PlayEvent
from worker.errors import InvalidEventError
from worker.escaping import printable
from worker.importers.archive import READ_ERRORS, Archive, Part
from worker.importers.clock import Clock, ClockNotSetError
from worker.importers.details import Encoded, encoded
from worker.importers.format import ReadOrder
from worker.importers.rows import BROKEN_FILE, NO_ROWS, UNKNOWN_SONG, Fields, LeftOut, ParsedEvent, Refusal, Row

BATCH_EVENTS: Final = 1_000
# Also counted are rows without an event, so that progress is seen in a file full of them.
_ROWS_BETWEEN_REPORTS: Final = 1_000
MAX_SHOWN_PER_REASON: Final = 5
_LENGTH_OF_DATE: Final = len("2024-01-05")


@dataclass
class Summary:
    """What the import of one part did. Its events are counted once they are published.

    Attributes:
        published: events handed to `Importer.publish`.
        first_day, last_day: the listener's local days of the first and the last play.
        dates_only: plays of a row that has a date and no time.
        refused: rows by reason.
        left_out: rows that are no plays of songs, by what they are.
        details: left out of events that were published, by name.
        years: of the refused rows of a clock that was not set.
        shown: the first few refusals of each reason, safe to print.
        shown_details: likewise the first few details of each name.
    """

    name: str
    format: str
    published: int = 0
    plays: int = 0
    favorites: int = 0
    first_day: date | None = None
    last_day: date | None = None
    dates_only: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    details: Counter[str] = field(default_factory=Counter)
    years: Counter[int] = field(default_factory=Counter)
    shown: list[Refusal] = field(default_factory=list)
    shown_details: list[Refusal] = field(default_factory=list)

    def add_event(self, event: Event) -> None:
        self.published += 1
        if not isinstance(event, PlayEvent):
            self.favorites += 1
            return
        self.plays += 1
        day = (event.time.at + timedelta(minutes=event.time.offset_minutes or 0)).date()
        self.first_day = min(self.first_day or day, day)
        self.last_day = max(self.last_day or day, day)

    def add_refusal(self, refusal: Refusal) -> None:
        self.refused[refusal.reason] += 1
        if self.refused[refusal.reason] <= MAX_SHOWN_PER_REASON:
            self.shown.append(_printable(refusal))

    def add_detail(self, place: str, name: str, rule: str) -> None:
        self.details[name] += 1
        if self.details[name] <= MAX_SHOWN_PER_REASON:
            self.shown_details.append(_printable(Refusal(place, name, rule)))

    @property
    def has_faults(self) -> bool:
        return bool(self.refused)

    @property
    def has_rows(self) -> bool:
        return bool(self.published or self.refused or self.left_out)


@dataclass(frozen=True, kw_only=True)
class Importer:
    """Publishes parts of archives.

    Attributes:
        user: replaces the user that the archive names.
        now: the time by which events are validated, aware.
        publish: called with each batch of events, in order.
        clock: what the user has said about the times in the files.
    """

    user: str | None
    now: datetime
    publish: Callable[[list[bytes]], object]
    clock: Clock = field(default_factory=Clock)

    def import_part(
        self, archive: Archive, part: Part, on_progress: Callable[[int], object] = lambda _: None
    ) -> Iterator[Summary]:
        """Publish a part in batches, and yield its one growing summary before the first batch and after each.

        No event has an id, so each gets the one derived from its content. Importing a part again, or another part that
        overlaps, therefore adds nothing.

        Args:
            archive: the archive of the part.
            part: parts must be imported in the order of `archive.parts`.
            on_progress: called now and then with the number of bytes read so far, unpacked.
        """
        summary = Summary(part.name, part.recognised.format)
        common = {"v": 1, "user": self.user or archive.user_of(part), "source": part.recognised.source}
        yield summary
        batch: list[Encoded] = []
        with part.open() as file:
            for number, row in enumerate(_rows(archive, part, file), start=1):
                if event := self._event(row, common, summary):
                    batch.append(event)
                if len(batch) == BATCH_EVENTS:
                    self._publish(batch, summary)
                    yield summary
                    batch = []
                if number % _ROWS_BETWEEN_REPORTS == 0:
                    on_progress(file.tell())
        self._publish(batch, summary)
        if not summary.has_rows and part.recognised.order is ReadOrder.LISTENS:
            summary.add_refusal(Refusal("end of the file", NO_ROWS, "the file has no rows"))
        on_progress(part.size)
        yield summary

    def _publish(self, batch: list[Encoded], summary: Summary) -> None:
        if not batch:
            return
        self.publish([event.payload for event in batch])
        for event in batch:
            summary.add_event(event.event)

    def _event(self, row: Row, common: Fields, summary: Summary) -> Encoded | None:
        """The row's event, validated as the worker will; None for a row without one, which the summary counts."""
        if isinstance(row, LeftOut):
            summary.left_out[row.kind] += 1
            return None
        if not isinstance(row, ParsedEvent):
            summary.add_refusal(row)
            return None
        fields = row.event | common
        try:
            fields["time"] = self.clock.place(fields)
            event = encoded(fields, now=self.now)
        except InvalidEventError as error:
            summary.add_refusal(Refusal(row.place, error.reason, error.detail))
            if isinstance(error, ClockNotSetError):
                summary.years[error.year] += 1
            return None
        summary.dates_only += len(row.event["time"]) == _LENGTH_OF_DATE
        for name, rule in event.left_out.items():
            summary.add_detail(row.place, name, rule)
        return event


def unmatched_loves(archive: Archive) -> Summary | None:
    """The loves whose song no listen has named. Call it after all parts have been imported."""
    waiting = {id(feedback): feedback for feedback in archive.notes.feedback.values()}.values()
    loves = [feedback for feedback in waiting if feedback.is_love and not feedback.is_matched]
    if not loves:
        return None
    summary = Summary(archive.parts[0].name, "loves without a song")
    for love in loves:
        place = f"recording {love.recording[:64]}"
        summary.add_refusal(Refusal(place, UNKNOWN_SONG, "no listen in this export has the recording"))
    return summary


def _printable(refusal: Refusal) -> Refusal:
    return Refusal(printable(refusal.place), printable(refusal.reason), printable(refusal.detail))


def _rows(archive: Archive, part: Part, file: BinaryIO) -> Iterator[Row]:
    try:
        yield from part.recognised.read(file, archive.notes)
    except READ_ERRORS as error:
        yield Refusal("rest of the file", BROKEN_FILE, f"cannot be read: {type(error).__name__}")
