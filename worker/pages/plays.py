"""Plays as they are listed: in the listener's local time, day by day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from itertools import groupby
from typing import Final

from worker.statistics import RecentPlay, UserListening, recent_plays, second_reports
from worker.statistics.local_time import timezones_of

LATEST: Final = 50


@dataclass(frozen=True)
class ListedPlay:
    """`time` is local. `counted_from` is the source whose report of the same play counts, None if this one does."""

    time: datetime
    artist: str
    title: str
    counted_from: str | None


@dataclass(frozen=True)
class DayOfPlays:
    day: date
    plays: Sequence[ListedPlay]


def latest_plays(of: UserListening) -> Sequence[ListedPlay]:
    """The listener's last plays, newest first."""
    preferred = timezones_of(of.connection, [of.user_id]).get(of.user_id, UTC)
    plays = recent_plays(of.connection, of.user_id, most=LATEST)
    times = [_local(play, preferred) for play in plays]
    counted_from = second_reports(of, {at.date() for at in times})
    return [
        ListedPlay(at, play.song.artist, play.song.title, counted_from.get(play.id))
        for play, at in zip(plays, times, strict=True)
    ]


def by_day(plays: Sequence[ListedPlay]) -> Sequence[DayOfPlays]:
    """The plays under their days, in the order in which they are given."""
    return [DayOfPlays(day, list(its)) for day, its in groupby(plays, lambda play: play.time.date())]


def _local(play: RecentPlay, preferred: tzinfo) -> datetime:
    minutes = play.utc_offset_minutes
    local = preferred if minutes is None else timezone(timedelta(minutes=minutes))
    return play.played_at.astimezone(local)
