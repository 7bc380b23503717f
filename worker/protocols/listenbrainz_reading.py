"""Write what ListenBrainz' clients read: listens, feedback and statistics, in the shapes of its API.

The shapes are those of https://listenbrainz.readthedocs.io/en/latest/users/api/ (core, statistics, recordings), as far as
Pano Scrobbler, multi-scrobbler, Jellyfin's plugin and liblistenbrainz read them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# The names that `additional_info` has for the ids of a song.
_IDS: Final = {
    "mbid": "recording_mbid",
    "release_mbid": "release_mbid",
    "release_group_mbid": "release_group_mbid",
    "track_mbid": "track_mbid",
    "isrc": "isrc",
    "spotify": "spotify_id",
}


def epoch(at: datetime) -> int:
    return int(at.timestamp())


def msid(identity: str) -> str:
    """The song's identity in the form of a UUID, which is all that clients ask of a `recording_msid`."""
    return str(UUID(identity))


def track_metadata(
    artist: str, title: str, album: str | None, *, identity: str, ids: Mapping[str, Any], **info: Any
) -> dict[str, Any]:
    """A song as every listen and feedback names it. `info` are further fields of `additional_info`; None is left out."""
    known = {theirs: ids[ours] for ours, theirs in _IDS.items() if ids.get(ours)}
    info = {name: value for name, value in info.items() if value is not None}
    metadata = {
        "artist_name": artist,
        "track_name": title,
        "additional_info": {"recording_msid": msid(identity), **known, **info},
    }
    if album:
        metadata["release_name"] = album
    if mbid := ids.get("mbid"):
        metadata["mbid_mapping"] = {"recording_mbid": mbid}
    return metadata


def listen(user: str, played_at: datetime, recorded_at: datetime, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A listen of a history."""
    return {
        "user_name": user,
        "listened_at": epoch(played_at),
        "inserted_at": epoch(recorded_at),
        "recording_msid": metadata["additional_info"]["recording_msid"],
        "track_metadata": metadata,
    }


def listens(user: str, found: Sequence[Mapping[str, Any]], *, ends: tuple[datetime | None, datetime | None]) -> Any:
    """The body of `/1/user/U/listens`. `ends` are the times of the oldest and the latest play of all."""
    oldest, latest = ends
    return {
        "payload": {
            "count": len(found),
            "user_id": user,
            "listens": found,
            "oldest_listen_ts": epoch(oldest) if oldest else 0,
            "latest_listen_ts": epoch(latest) if latest else 0,
        }
    }


def playing_now(user: str, metadata: Mapping[str, Any] | None) -> Any:
    """The body of `/1/user/U/playing-now`."""
    found = [] if metadata is None else [{"playing_now": True, "user_name": user, "track_metadata": metadata}]
    return {"payload": {"count": len(found), "playing_now": True, "user_id": user, "listens": found}}


def feedback(user: str, found: Iterable[Mapping[str, Any]], *, count: int, offset: int, total: int) -> dict[str, Any]:
    """The body of `/1/feedback/user/U/get-feedback`."""
    return {
        "feedback": [{"user_id": user, **each} for each in found],
        "count": count,
        "offset": offset,
        "total_count": total,
    }


# --- Statistics -----------------------------------------------------------------------------------


def span(name: str, today: date) -> tuple[date, date] | None:
    """The first and last day of a range; None if ListenBrainz has none of this name. Weeks begin on Monday.

    `week`, `month` and so on are the last whole ones, `this_week` and so on those that run.
    """
    monday, month, year = today - timedelta(days=today.weekday()), today.replace(day=1), date(today.year, 1, 1)
    day = timedelta(days=1)
    last_month = (month - day).replace(day=1)
    quarter = date(today.year, 3 * ((today.month - 1) // 3) + 1, 1)
    half = date(today.year, 1 if today.month <= 6 else 7, 1)  # noqa: PLR2004 -- June
    spans = {
        "this_week": (monday, monday + 6 * day),
        "this_month": (month, (month + 31 * day).replace(day=1) - day),
        "this_year": (year, date(today.year, 12, 31)),
        "week": (monday - 7 * day, monday - day),
        "month": (last_month, month - day),
        "quarter": (_months_before(quarter, 3), quarter - day),
        "half_yearly": (_months_before(half, 6), half - day),
        "year": (date(today.year - 1, 1, 1), year - day),
        "all_time": (date.min, date.max),
    }
    return spans.get(name)


def _months_before(first: date, months: int) -> date:
    index = first.year * 12 + first.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)


def statistics(
    user: str, range_: str, ends: tuple[date, date], now: datetime, content: Mapping[str, Any]
) -> dict[str, Any]:
    """The body of any `/1/stats/user/U/…`."""
    first, last = ends
    return {
        "payload": {
            "user_id": user,
            "range": range_,
            "from_ts": epoch(_midnight(max(first, date(2002, 1, 1)))),
            "to_ts": min(epoch(now), epoch(_midnight(min(last, date(9999, 1, 1))))),
            "last_updated": epoch(now),
            **content,
        }
    }


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def activity(listens_of: Mapping[date, int], ends: tuple[date, date]) -> list[dict[str, Any]]:
    """The `listening_activity`: a row for each day of a week or month, each month of a year, each year of a longer span."""
    first, last = max(ends[0], min(listens_of, default=ends[1])), min(ends[1], max(listens_of, default=ends[0]))
    if (ends[1] - ends[0]).days < 32:  # noqa: PLR2004 -- a month
        first, last = ends
    rows: dict[str, dict[str, Any]] = {}
    day = first
    while day <= last:
        name, end = _bucket(day, (ends[1] - ends[0]).days)
        end = min(end, last)
        count = sum(number for at, number in listens_of.items() if day <= at <= end)
        bounds = {"from_ts": epoch(_midnight(day)), "to_ts": epoch(_midnight(end)) + 86_399}
        rows[name] = {**bounds, "time_range": name, "listen_count": count}
        if end == date.max:
            break
        day = end + timedelta(days=1)
    return list(rows.values())


def _bucket(day: date, days: int) -> tuple[str, date]:
    """The name of the row that a day is in, and the row's last day."""
    if days < 32:  # noqa: PLR2004 -- a month
        return f"{day:%A %d %B %Y}", day
    if days < 367:  # noqa: PLR2004 -- a year
        return f"{day:%B %Y}", (day.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return f"{day.year}", date(day.year, 12, 31)


def daily_activity(listens_of: Mapping[tuple[int, int], int]) -> dict[str, list[dict[str, int]]]:
    """Listens by weekday (1 is Monday) and local hour."""
    return {
        name: [{"hour": hour, "listen_count": listens_of.get((number, hour), 0)} for hour in range(24)]
        for number, name in enumerate(_WEEKDAYS, start=1)
    }
