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
from worker.importers.clock import Clock, ClockNotSetError, LocalTimeError
from worker.importers.details import encoded
from worker.importers.format import ReadOrder
from worker.importers.minutes import MinuteRows
from worker.importers.rows import (
    BROKEN_FILE,
    NO_ROWS,
    TO_THE_MINUTE,
    UNKNOWN_SONG,
    Fields,
    LeftOut,
    ParsedEvent,
    Refusal,
    Row,
)

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
        local_times: refused rows with a local time, of which nobody has said where it is from.
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
    local_times: int = 0
    shown: list[Refusal] = field(default_factory=list)
    shown_details: list[Refusal] = field(default_factory=list)

    def add_batch(self, batch: "_Batch") -> None:
        self.published += len(batch.payloads)
        self.plays += batch.plays
        self.favorites += len(batch.payloads) - batch.plays
        self.dates_only += batch.dates_only
        for detail in batch.details:
            self.details[detail.reason] += 1
            if self.details[detail.reason] <= MAX_SHOWN_PER_REASON:
                self.shown_details.append(_printable(detail))
        for day in filter(None, (batch.first_day, batch.last_day)):
            self.first_day = min(self.first_day or day, day)
            self.last_day = max(self.last_day or day, day)

    def add_refusal(self, refusal: Refusal) -> None:
        self.refused[refusal.reason] += 1
        if self.refused[refusal.reason] <= MAX_SHOWN_PER_REASON:
            self.shown.append(_printable(refusal))

    @property
    def has_faults(self) -> bool:
        return bool(self.refused)

    @property
    def has_rows(self) -> bool:
        return bool(self.published or self.refused or self.left_out)


@dataclass
class _Batch:
    """Events to publish at once. Of the events themselves only what the summary shows is kept."""

    payloads: list[bytes] = field(default_factory=list)
    plays: int = 0
    dates_only: int = 0
    details: list[Refusal] = field(default_factory=list)
    first_day: date | None = None
    last_day: date | None = None

    def add(self, payload: bytes, event: Event) -> None:
        self.payloads.append(payload)
        if not isinstance(event, PlayEvent):
            return
        self.plays += 1
        offset = event.time.offset_minutes
        day = (event.time.at + timedelta(minutes=offset) if offset else event.time.at).date()
        if self.first_day is None or day < self.first_day:
            self.first_day = day
        if self.last_day is None or day > self.last_day:
            self.last_day = day


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
        batch = _Batch()
        minutes = MinuteRows()
        with part.open() as file:
            for number, row in enumerate(_rows(archive, part, file), start=1):
                self._add(row, batch, common, summary, minutes)
                if len(batch.payloads) == BATCH_EVENTS:
                    self._publish(batch, summary)
                    yield summary
                    batch = _Batch()
                if number % _ROWS_BETWEEN_REPORTS == 0:
                    on_progress(file.tell())
        self._publish(batch, summary)
        if not summary.has_rows and part.recognised.order is ReadOrder.LISTENS:
            summary.add_refusal(Refusal("end of the file", NO_ROWS, "the file has no rows"))
        on_progress(part.size)
        yield summary

    def _publish(self, batch: _Batch, summary: Summary) -> None:
        if batch.payloads:
            self.publish(batch.payloads)
            summary.add_batch(batch)

    def _add(self, row: Row, batch: _Batch, common: Fields, summary: Summary, minutes: MinuteRows) -> None:
        """Add the row's event, validated as the worker will, to the batch; a row without one to the summary."""
        if isinstance(row, LeftOut):
            summary.left_out[row.kind] += 1
            return
        if not isinstance(row, ParsedEvent):
            summary.add_refusal(row)
            return
        fields = row.event | common
        is_to_the_minute = fields.pop(TO_THE_MINUTE, False)
        try:
            fields["time"] = self.clock.place(fields)
            if is_to_the_minute:
                fields = minutes.placed(fields)
            event = encoded(fields, now=self.now)
        except InvalidEventError as error:
            summary.add_refusal(Refusal(row.place, error.reason, error.detail))
            if isinstance(error, ClockNotSetError):
                summary.years[error.year] += 1
            summary.local_times += isinstance(error, LocalTimeError)
            return
        batch.add(event.payload, event.event)
        if len(row.event["time"]) == _LENGTH_OF_DATE:
            batch.dates_only += 1
        if event.left_out:
            batch.details += [Refusal(row.place, name, rule) for name, rule in event.left_out.items()]


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
