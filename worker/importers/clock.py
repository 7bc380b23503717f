"""Place the times of an export on the listener's clock: time zones, a clock that was reset, dates without a time."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, NamedTuple, Self
from zoneinfo import ZoneInfo

from worker.contract.events import EARLIEST_TIME
from worker.contract.identity import song_identity
from worker.errors import InvalidEventError, Reason
from worker.importers.times import UNDATED, rfc_3339

# A date without a time is recorded at noon: in UTC, noon is of that day from 12 hours behind to 11 ahead of it.
_NOON: Final = time(12)
_LENGTH_OF_DATE: Final = len("2024-01-05")


class ClockNotSetError(InvalidEventError):
    """A time before the contract's earliest, as of a player whose clock was reset. `year` is the one it reported."""

    def __init__(self, year: int) -> None:
        super().__init__(
            Reason.OUT_OF_RANGE,
            f"time: is of {year}, as of a player whose clock was not set; add --undated DAY, or --shift DURATION",
        )
        self.year = year


class LocalTimeError(InvalidEventError):
    """A local time, of which nobody has said where it is from."""

    def __init__(self) -> None:
        rule = "time: is a local time without an offset; add --timezone ZONE, such as Europe/Berlin"
        super().__init__(Reason.INVALID_VALUE, rule)


class Move(NamedTuple):
    """From the beginning of the local day `since` on, the listener was in `zone`."""

    since: date
    zone: ZoneInfo


class Zones:
    """Where a listener was. The first zone has no beginning (`date.min`); each other begins at its own midnight."""

    def __init__(self, moves: Iterable[Move]) -> None:
        self._moves = sorted(moves, reverse=True)

    @classmethod
    def of(cls, zone: ZoneInfo) -> Self:
        """Of a listener who never moved."""
        return cls([Move(date.min, zone)])

    def of_local(self, at: datetime) -> datetime:
        """A time of the listener's clock, with its zone."""
        return at.replace(tzinfo=next(move.zone for move in self._moves if move.since <= at.date()))

    def of_instant(self, at: datetime) -> datetime:
        """An aware time, in the zone in which the listener was."""
        local_times = ((move, at.astimezone(move.zone)) for move in self._moves)
        return next(local for move, local in local_times if move.since <= local.date())


@dataclass(frozen=True)
class Clock:
    """What a user has said about the times in their files.

    Attributes:
        zones: where the listener was. They give local times their offset, and times in UTC the listener's.
        shift: is added to every time.
        undated: the day from which on the times of a clock that was not set are counted.
    """

    zones: Zones | None = None
    shift: timedelta = timedelta(0)
    undated: date | None = None
    _equal_rows: Counter[tuple[str, str]] = field(default_factory=Counter)

    def place(self, event: dict[str, Any]) -> str:
        """The event's time for the contract: with an offset, or `Z`. A time with an offset keeps it.

        Equal rows of a date without a time, or of a clock that stood still, are a second apart, so that each is a play.

        Raises:
            InvalidEventError: names the option that is missing.
        """
        text: str = event["time"]
        if text == UNDATED or (text[-1] == "Z" and text[:4] >= "2002" and self._keeps_utc):
            return text
        try:
            return self._placed(text, event)
        except OverflowError:
            rule = "time: must be within the years 1 to 9999 after --shift"
            raise InvalidEventError(Reason.OUT_OF_RANGE, rule) from None

    @property
    def _keeps_utc(self) -> bool:
        return self.zones is None and not self.shift

    def _placed(self, text: str, event: dict[str, Any]) -> str:
        has_time = len(text) > _LENGTH_OF_DATE
        at = datetime.fromisoformat(text) if has_time else datetime.combine(date.fromisoformat(text), _NOON)
        at += self.shift
        is_dated = at.replace(tzinfo=at.tzinfo or UTC) >= EARLIEST_TIME
        if not is_dated:
            at = self._dated(at)
        if not (has_time and is_dated):
            at += timedelta(seconds=self._equal_rows_before(text, event))
        if at.tzinfo is None:
            return self._of_local(at, may_be_utc=not (has_time and is_dated))
        if text[-1] != "Z":
            return at.isoformat()
        return rfc_3339(at) if self.zones is None else self.zones.of_instant(at).isoformat()

    def _dated(self, at: datetime) -> datetime:
        if self.undated is None:
            raise ClockNotSetError(at.year)
        since_new_year = at.replace(tzinfo=None) - datetime(at.year, 1, 1)  # noqa: DTZ001 -- A clock without a zone.
        return datetime.combine(self.undated, time()) + since_new_year

    def _of_local(self, at: datetime, *, may_be_utc: bool) -> str:
        if self.zones:
            return self.zones.of_local(at).isoformat()
        if may_be_utc:
            return rfc_3339(at.replace(tzinfo=UTC))
        raise LocalTimeError

    def _equal_rows_before(self, text: str, event: dict[str, Any]) -> int:
        song = event["song"]
        key = (song_identity(str(song.get("artist")), str(song.get("title"))), text)
        self._equal_rows[key] += 1
        return self._equal_rows[key] - 1
