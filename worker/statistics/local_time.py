"""Local time: by the offset of each event, else by the user's `timezone` preference, else UTC."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from worker.contract.timezones import TIMEZONE, names_timezone
from worker.database.statement import instant
from worker.models import Preference
from worker.statistics.periods import ONE_DAY

_MINUTE: Final = timedelta(minutes=1)

UserDay = tuple[int, date]


class Stretch(NamedTuple):
    """Time from `starts_at` to before `ends_at` in which a timezone has one offset."""

    starts_at: datetime
    ends_at: datetime
    offset_minutes: int

    def as_row(self) -> dict[str, Any]:
        """The stretch as columns of a row for an SQL statement."""
        return {
            "starts_at": instant(self.starts_at),
            "ends_at": instant(self.ends_at),
            "offset_minutes": self.offset_minutes,
        }


def timezone_of(preference: Any) -> tzinfo:
    """The timezone that a preference names in the IANA database; UTC for any other value."""
    return ZoneInfo(preference) if names_timezone(preference) else UTC


def timezones_of(connection: Connection, user_ids: Iterable[int]) -> Mapping[int, tzinfo]:
    """The timezones of those users who have the preference."""
    preferences = select(Preference.user_id, Preference.value).where(
        Preference.key == TIMEZONE, Preference.user_id.in_(list(user_ids))
    )
    return {user_id: timezone_of(value) for user_id, value in connection.execute(preferences)}


def zone_rows(name: str | None, first: date, last: date) -> Iterator[dict[str, Any]]:
    """The offsets of a timezone during all plays of these local days, as rows for `waiting_plays`. None for UTC."""
    if (timezone := timezone_of(name)) is not UTC:
        for stretch in stretches(timezone, *bounds_of(first, last)):
            yield {"zone": name, **stretch.as_row()}


def stretches(timezone: tzinfo, starts_at: datetime, ends_at: datetime) -> Iterator[Stretch]:
    """Split the time between two UTC instants where the timezone's offset changes."""
    if timezone is UTC:
        yield Stretch(starts_at, ends_at, 0)
        return
    start = starts_at
    while start < ends_at:
        offset = _offset_minutes(timezone, start)
        end = start
        while end < ends_at and _offset_minutes(timezone, end) == offset:
            end += ONE_DAY
        end = _change(timezone, end - ONE_DAY, end) if _offset_minutes(timezone, end) != offset else end
        yield Stretch(start, min(end, ends_at), offset)
        start = end


def _change(timezone: tzinfo, before: datetime, after: datetime) -> datetime:
    """The minute at which the offset changes. No timezone changes its offset twice within a day."""
    offset = _offset_minutes(timezone, before)
    while after - before > _MINUTE:
        middle = before + (after - before) // 2 // _MINUTE * _MINUTE
        if _offset_minutes(timezone, middle) == offset:
            before = middle
        else:
            after = middle
    return after


def _offset_minutes(timezone: tzinfo, at: datetime) -> int:
    offset = at.astimezone(timezone).utcoffset() or timedelta()
    return offset // _MINUTE


def windows(days: Iterable[UserDay], timezones: Mapping[int, tzinfo]) -> Iterator[dict[str, Any]]:
    """For each run of local days the time in which their plays can lie, for any offset, and the plays around them.

    A window is split where the user's own offset changes. Rows for `compute_days`, `user_hours` and `user_songs`.
    """
    for user_id, first, last in _runs(days):
        starts_at, ends_at = bounds_of(first, last)
        for stretch in stretches(timezones.get(user_id, UTC), starts_at, ends_at):
            yield {
                "user_id": user_id,
                "first_day": first.isoformat(),
                "last_day": last.isoformat(),
                **stretch.as_row(),
            }


def _runs(days: Iterable[UserDay]) -> Iterator[tuple[int, date, date]]:
    """Each run of consecutive days of a user: the user, the first and the last day."""
    run: list[UserDay] = []
    for user_id, day in sorted(days):
        if run and run[-1] != (user_id, day - ONE_DAY):
            yield run[0][0], run[0][1], run[-1][1]
            run = []
        run.append((user_id, day))
    if run:
        yield run[0][0], run[0][1], run[-1][1]


def bounds_of(first: date, last: date) -> tuple[datetime, datetime]:
    """The UTC instants between which all plays of these local days lie, for any offset, two hours wider on both sides.

    Two hours, because what counts depends on the plays around it: an hour, and the longest setting of an hour. Offsets
    go up to a day: RFC 3339 allows 23:59.
    """
    around = ONE_DAY + timedelta(hours=2)
    return _midnight(first) - around, _midnight(last) + ONE_DAY + around


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
