"""Local time: by the offset of each event, else by the user's `timezone` preference, else UTC."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import Connection, select

from worker.database.statement import instant
from worker.models import Preference

TIMEZONE: Final = "timezone"
_DAY: Final = timedelta(days=1)
_MINUTE: Final = timedelta(minutes=1)

UserDay = tuple[int, date]


class Stretch(NamedTuple):
    """A stretch of time, from `starts_at` to before `ends_at`, in which a timezone has one offset."""

    starts_at: datetime
    ends_at: datetime
    offset_minutes: int

    def as_row(self) -> dict[str, Any]:
        """For `STRETCH_COLUMNS`."""
        return {
            "starts_at": instant(self.starts_at),
            "ends_at": instant(self.ends_at),
            "offset_minutes": self.offset_minutes,
        }


def zone(preference: Any) -> tzinfo:
    """The timezone that a preference names, by the names of the IANA database; anything else is UTC."""
    # Looked up in the list, because a file system may tell names apart by their case, or not.
    return ZoneInfo(preference) if isinstance(preference, str) and preference in _names() else UTC


@cache
def _names() -> Collection[str]:
    # That one is whatever the host prefers, and workers may run on several.
    return available_timezones() - {"localtime"}


def zones_of(connection: Connection, user_ids: Iterable[int]) -> Mapping[int, tzinfo]:
    """The timezones of those users who have one."""
    preferences = select(Preference.user_id, Preference.value).where(
        Preference.key == TIMEZONE, Preference.user_id.in_(list(user_ids))
    )
    return {user_id: zone(value) for user_id, value in connection.execute(preferences)}


def zone_rows(name: str | None, first: date, last: date) -> Iterator[dict[str, Any]]:
    """The offsets of a timezone while the plays of these local days last; none of UTC. Rows for `ZONE_COLUMNS`."""
    if (timezone := zone(name)) is not UTC:
        for stretch in stretches(timezone, *bounds_of(first, last)):
            yield {"zone": name, **stretch.as_row()}


def stretches(timezone: tzinfo, starts_at: datetime, ends_at: datetime) -> Iterator[Stretch]:
    """Part the time between two UTC instants where the timezone's offset changes."""
    if timezone is UTC:
        yield Stretch(starts_at, ends_at, 0)
        return
    begun = starts_at
    while begun < ends_at:
        offset = _offset_minutes(timezone, begun)
        until = begun
        while until < ends_at and _offset_minutes(timezone, until) == offset:
            until += _DAY
        until = _change(timezone, until - _DAY, until) if _offset_minutes(timezone, until) != offset else until
        yield Stretch(begun, min(until, ends_at), offset)
        begun = until


def _change(timezone: tzinfo, before: datetime, after: datetime) -> datetime:
    """The minute between the two at which the offset changes. Clocks are never set twice within a day."""
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


def windows(days: Iterable[UserDay], zones: Mapping[int, tzinfo]) -> Iterator[dict[str, Any]]:
    """For each run of local days the time in which their plays can lie: a day more on both sides, for any offset.

    Where the user's own offset changes in between, the window comes in parts. Rows for `WINDOW_COLUMNS`.
    """
    for user_id, first, last in _runs(days):
        starts_at, ends_at = bounds_of(first, last)
        for stretch in stretches(zones.get(user_id, UTC), starts_at, ends_at):
            yield {
                "user_id": user_id,
                "first_day": first.isoformat(),
                "last_day": last.isoformat(),
                **stretch.as_row(),
            }


def _runs(days: Iterable[UserDay]) -> Iterator[tuple[int, date, date]]:
    """Users with the first and last of days that follow each other."""
    run: list[UserDay] = []
    for user_id, day in sorted(days):
        if run and run[-1] != (user_id, day - _DAY):
            yield run[0][0], run[0][1], run[-1][1]
            run = []
        run.append((user_id, day))
    if run:
        yield run[0][0], run[0][1], run[-1][1]


def bounds_of(first: date, last: date) -> tuple[datetime, datetime]:
    """The UTC instants between which the plays of these local days lie, whatever their offsets."""
    return _midnight(first) - _DAY, _midnight(last) + 2 * _DAY


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


STRETCH_COLUMNS: Final = {"starts_at": "timestamptz", "ends_at": "timestamptz", "offset_minutes": "integer"}
WINDOW_COLUMNS: Final = {"user_id": "bigint", "first_day": "date", "last_day": "date", **STRETCH_COLUMNS}
ZONE_COLUMNS: Final = {"zone": "text", **STRETCH_COLUMNS}

# Over the aliases `play` and `incoming`, which is null for a user who prefers no timezone. SQLite counts in
# milliseconds and would round the last microseconds of a day into the next one, so it is given whole seconds.
_OFFSET: Final = "coalesce(play.utc_offset_minutes, incoming.offset_minutes, 0)"
_POSTGRESQL_TIME: Final = f"play.played_at + make_interval(mins => {_OFFSET})"
_SQLITE_TIME: Final = f"substr(play.played_at, 1, 19), {_OFFSET} || ' minutes'"
LOCAL_WORDS: Final = {
    "postgresql": {
        "local_day": f"CAST({_POSTGRESQL_TIME} AS date)",
        "local_hour": f"CAST(extract(hour FROM {_POSTGRESQL_TIME}) AS smallint)",
    },
    "sqlite": {
        "local_day": f"date({_SQLITE_TIME})",
        "local_hour": f"CAST(strftime('%H', {_SQLITE_TIME}) AS integer)",
    },
}
