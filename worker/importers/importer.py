"""Publish the files of an archive as events, in batches, and report each refused row with its place and reason."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import BinaryIO, Final

from worker.contract.codec import decode, encode
from worker.contract.events import Event, PlayEvent
from worker.errors import InvalidEventError
from worker.escaping import printable
from worker.importers.archive import READ_ERRORS, Archive, Part
from worker.importers.rows import BROKEN_FILE, NO_SONG, UNKNOWN_SONG, Fields, ParsedEvent, Refusal, Row

BATCH_EVENTS: Final = 1_000
MAX_SHOWN_PER_REASON: Final = 5


@dataclass
class Summary:
    """What the import of one part did.

    Attributes:
        published: events handed to `Importer.publish`. `plays` and `favorites` also count the batch that is being read.
        first_day, last_day: the listener's local days of the first and the last play.
        refused: rows by reason.
        shown: the first few refusals of each reason, safe to print.
    """

    name: str
    format: str
    published: int = 0
    plays: int = 0
    favorites: int = 0
    first_day: date | None = None
    last_day: date | None = None
    refused: Counter[str] = field(default_factory=Counter)
    shown: list[Refusal] = field(default_factory=list)

    def add_event(self, event: Event) -> None:
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
            place, reason, detail = refusal
            self.shown.append(Refusal(printable(place), reason, printable(detail)))

    @property
    def has_faults(self) -> bool:
        """Whether a row was refused for another reason than that it is no song."""
        return any(reason != NO_SONG for reason in self.refused)


@dataclass(frozen=True, kw_only=True)
class Importer:
    """Publishes parts of archives.

    Attributes:
        user: replaces the user that the archive names.
        now: the time by which events are validated, aware.
        publish: called with each batch of events, in order.
    """

    user: str | None
    now: datetime
    publish: Callable[[list[bytes]], object]

    def import_part(
        self, archive: Archive, part: Part, on_progress: Callable[[int], object] = lambda _: None
    ) -> Iterator[Summary]:
        """Publish a part in batches, and yield its one growing summary before the first batch and after each.

        No event has an id, so each gets the one derived from its content. Importing a part again, or another part that
        overlaps, therefore adds nothing.

        Args:
            archive: the archive of the part.
            part: parts must be imported in the order of `archive.parts`.
            on_progress: called after each batch with the number of bytes read so far, unpacked.
        """
        summary = Summary(part.name, part.recognised.format)
        common = {"v": 1, "user": self.user or archive.user_of(part), "source": part.recognised.source}
        yield summary
        batch: list[bytes] = []
        with part.open() as file:
            for row in _rows(archive, part, file):
                if payload := _payload(row, common, summary, self.now):
                    batch.append(payload)
                if len(batch) == BATCH_EVENTS:
                    self._publish(batch, summary)
                    on_progress(file.tell())
                    yield summary
                    batch = []
        self._publish(batch, summary)
        on_progress(part.size)
        yield summary

    def _publish(self, batch: list[bytes], summary: Summary) -> None:
        if batch:
            self.publish(batch)
            summary.published += len(batch)


def unmatched_loves(archive: Archive) -> Summary | None:
    """The loves whose song no listen has named. Call it after all parts have been imported."""
    if not archive.notes.loved:
        return None
    summary = Summary(archive.parts[0].name, "loves without a song")
    for recording in archive.notes.loved:
        refusal = Refusal(f"recording {recording[:64]}", UNKNOWN_SONG, "no listen in this export has the recording")
        summary.add_refusal(refusal)
    return summary


def _rows(archive: Archive, part: Part, file: BinaryIO) -> Iterator[Row]:
    try:
        yield from part.recognised.read(file, archive.notes)
    except READ_ERRORS as error:
        yield Refusal("rest of the file", BROKEN_FILE, f"cannot be read: {type(error).__name__}")


def _payload(row: Row, common: Fields, summary: Summary, now: datetime) -> bytes | None:
    """The row's event, validated as the worker will, or None for a refusal. Both are added to the summary."""
    if not isinstance(row, ParsedEvent):
        summary.add_refusal(row)
        return None
    try:
        payload = encode(row.event | common)
        summary.add_event(decode(payload, now=now))
    except InvalidEventError as error:
        summary.add_refusal(Refusal(row.place, error.reason, error.detail))
        return None
    return payload
