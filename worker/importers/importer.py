"""Turn the parts of an export into events and publish them in batches; what is refused is reported with its place."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import BinaryIO, Final

from worker.contract.codec import decode, encode
from worker.contract.events import Event, PlayEvent
from worker.errors import InvalidEventError
from worker.escaping import printable
from worker.importers.archive import UNREADABLE, Export, Part
from worker.importers.rows import BROKEN_FILE, NO_SONG, UNKNOWN_SONG, Fields, Found, Refusal, Row

BATCH: Final = 1_000
SHOWN_PLACES: Final = 5


@dataclass
class Summary:
    """What one part came to.

    Attributes:
        published: events that have been handed over; the last counted ones may still wait for their batch.
        first, last: the listener's local days of the first and the last play.
        refused: rows by reason.
        shown: of each reason, the first few.
    """

    name: str
    format: str
    published: int = 0
    plays: int = 0
    favorites: int = 0
    first: date | None = None
    last: date | None = None
    refused: Counter[str] = field(default_factory=Counter)
    shown: list[Refusal] = field(default_factory=list)

    def count(self, event: Event) -> None:
        if not isinstance(event, PlayEvent):
            self.favorites += 1
            return
        self.plays += 1
        day = (event.time.at + timedelta(minutes=event.time.offset_minutes or 0)).date()
        self.first = min(self.first or day, day)
        self.last = max(self.last or day, day)

    def refuse(self, refusal: Refusal) -> None:
        self.refused[refusal.reason] += 1
        if self.refused[refusal.reason] <= SHOWN_PLACES:
            place, reason, detail = refusal
            self.shown.append(Refusal(printable(place), reason, printable(detail)))

    @property
    def has_faults(self) -> bool:
        """Whether anything was refused that is a song."""
        return any(reason != NO_SONG for reason in self.refused)


@dataclass(frozen=True, kw_only=True)
class Importer:
    """Publishes parts of exports.

    Attributes:
        user: whose they are, whatever the exports say.
        now: the clock by which events are judged, aware.
        publish: takes a batch of events, in order.
    """

    user: str | None
    now: datetime
    publish: Callable[[list[bytes]], object]

    def read(self, export: Export, part: Part, moved: Callable[[int], object] = lambda _: None) -> Iterator[Summary]:
        """Publish a part, batch after batch, and yield its one growing summary before the first and after each.

        No event has an id of its own, so an event that was published before is recognised by its derived one: reading
        a part again, or another one that overlaps, adds nothing.

        Args:
            export: what the part belongs to.
            part: one of its parts, in their order.
            moved: is told after each batch how many bytes of the part have been read, unpacked.
        """
        summary = Summary(part.name, part.recognised.format)
        about = {"v": 1, "user": self.user or export.user_of(part), "source": part.recognised.source}
        yield summary
        batch: list[bytes] = []
        with part.open() as file:
            for row in _rows(export, part, file):
                if payload := _payload(row, about, summary, self.now):
                    batch.append(payload)
                if len(batch) == BATCH:
                    self._hand_over(batch, summary)
                    moved(file.tell())
                    yield summary
                    batch = []
        self._hand_over(batch, summary)
        moved(part.size)
        yield summary

    def _hand_over(self, batch: list[bytes], summary: Summary) -> None:
        if batch:
            self.publish(batch)
            summary.published += len(batch)


def unexplained(export: Export) -> Summary | None:
    """After all parts: the loves whose song no listen has named."""
    if not export.notes.loved:
        return None
    summary = Summary(export.parts[0].name, "loves without a song")
    for recording in export.notes.loved:
        refusal = Refusal(f"recording {recording[:64]}", UNKNOWN_SONG, "no listen of this export names it")
        summary.refuse(refusal)
    return summary


def _rows(export: Export, part: Part, file: BinaryIO) -> Iterator[Row]:
    try:
        yield from part.recognised.read(file, export.notes)
    except UNREADABLE as error:
        yield Refusal("further on", BROKEN_FILE, f"what follows is not read: {type(error).__name__}")


def _payload(row: Row, about: Fields, summary: Summary, now: datetime) -> bytes | None:
    """The row's event as the worker will accept it, counted; or None, and the refusal counted."""
    if not isinstance(row, Found):
        summary.refuse(row)
        return None
    try:
        payload = encode(row.event | about)
        summary.count(decode(payload, now=now))
    except InvalidEventError as error:
        summary.refuse(Refusal(row.place, error.reason, error.detail))
        return None
    return payload
