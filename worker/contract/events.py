"""Events as zik uses them once the contract has accepted them, and the limits of the contract."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import Any, ClassVar, Final, Literal, NamedTuple

from msgspec import Struct

from worker.contract.identity import song_identity

VERSION: Final = 1
EVENT_TYPES: Final = frozenset({"play", "favorite", "preference"})
MAX_EVENT_BYTES: Final = 16 * 1024
EARLIEST_TIME: Final = datetime(2002, 1, 1, tzinfo=UTC)
MAX_AHEAD: Final = timedelta(days=1)
MAX_DURATION_MS: Final = 24 * 24 * 3600 * 1000  # 24 days fit a signed 32-bit integer
MAX_IDS: Final = 16
MAX_ARTISTS: Final = 20
# In characters.
MAX_USER: Final = 64
MAX_SONG_TEXT: Final = 500
MAX_SOURCE: Final = 100
MAX_ID_NAME: Final = 64
MAX_ID_VALUE: Final = 200

# The key of a play's `context` under which `zik import` names its run.
IMPORT: Final = "import"

# Artist and title as spelled by the client. Several names may be one song, see `song_identity`.
SongName = tuple[str, str]


class Moment(Struct, frozen=True, gc=False):
    """An instant and the listener's offset. `Z` and `-00:00` mean that the offset is unknown (RFC 9557, 2.2).

    `reported_at` is the instant that a device with a wrong clock reported; None if `at` is as reported.
    """

    at: datetime
    offset_minutes: int | None
    reported_at: datetime | None = None


def parse_moment(text: str) -> Moment:
    """Parse a text that has the form of an RFC 3339 timestamp with an offset.

    Raises:
        ValueError: the date or time does not exist.
        OverflowError: in UTC it is outside the years 1 to 9999.
    """
    if text[-1] in "Zz":
        # fromisoformat() knows only the capital Z.
        return Moment(datetime.fromisoformat(text.upper()), None)
    offset, minutes = _offset_at_end(text[-6:])
    # Half the time of astimezone().
    return Moment(datetime.fromisoformat(f"{text[:-6]}Z") - offset, minutes)


@cache
def _offset_at_end(end: str) -> tuple[timedelta, int | None]:
    """Parse the offset that ends a timestamp, such as `+02:00`. Cached: only a few dozen are in use."""
    minutes = (int(end[1:3]) * 60 + int(end[4:])) * (-1 if end[0] == "-" else 1)
    return timedelta(minutes=minutes), None if end == "-00:00" else minutes


class SongRef(Struct, frozen=True, gc=False):
    """A song as the client names it. Artist and title are its identity; the other fields are facts of one event.

    `artist` is the text as it is displayed, `artists` are the names in it, in order.
    """

    title: str
    artist: str
    album: str | None = None
    duration_ms: int | None = None
    ids: dict[str, str] | None = None
    artists: tuple[str, ...] | None = None
    album_artist: str | None = None

    @property
    def name(self) -> SongName:
        return self.artist, self.title

    @property
    def identity(self) -> str:
        return song_identity(self.artist, self.title)


class _Event(Struct, frozen=True, kw_only=True, gc=False):
    id: str
    time: Moment
    user: str
    source: str | None = None
    # When the client sent the event, by the same clock as `time`.
    sent_at: Moment | None = None


class PlayEvent(_Event, frozen=True, kw_only=True, gc=False):
    """A song was played; `time` is when listening began."""

    type: ClassVar[Literal["play"]] = "play"
    song: SongRef
    ms_played: int | None = None
    context: dict[str, Any] | None = None


class FavoriteEvent(_Event, frozen=True, kw_only=True, gc=False):
    """A song became a favorite, or stopped being one."""

    type: ClassVar[Literal["favorite"]] = "favorite"
    song: SongRef
    favorite: bool


class PreferenceEvent(_Event, frozen=True, kw_only=True, gc=False):
    """A user set a preference; `null` clears it."""

    type: ClassVar[Literal["preference"]] = "preference"
    key: str
    value: Any


Event = PlayEvent | FavoriteEvent | PreferenceEvent


class Accepted(NamedTuple):
    """A stream entry whose payload is a valid event."""

    entry_id: str
    payload: bytes
    event: Event


# Time zones range from 12 hours behind UTC to 14 ahead.
_MOST_BEHIND_H: Final = 12
_MOST_AHEAD_H: Final = 14
_HOURS: Final = 24
_A_DAY: Final = timedelta(days=1)


@cache
def _offset(minutes: int) -> timedelta:
    return timedelta(minutes=minutes)


def local_days(at: datetime, offset_minutes: int | None) -> Sequence[date]:
    """The local day of an instant in UTC, or every possible one if the client gave no offset.

    The user's `timezone` preference would narrow it down, but it may change between marking and computing, and an extra
    day to compute costs less than a missed one.
    """
    if offset_minutes is not None:
        return ((at + _offset(offset_minutes)).date(),)
    return _possible_days(at.date(), at.hour)


@lru_cache(maxsize=4_096)
def _possible_days(day: date, hour: int) -> Sequence[date]:
    behind = () if hour >= _MOST_BEHIND_H else (day - _A_DAY,)
    ahead = () if hour < _HOURS - _MOST_AHEAD_H else (day + _A_DAY,)
    return (*behind, day, *ahead)
