"""Plays as they are listed: in the listener's local time, day by day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from itertools import groupby
from typing import Final

from worker.statistics import RecentPlay, UserListening, recent_plays
from worker.statistics.local_time import timezones_of

LATEST: Final = 50


@dataclass(frozen=True)
class ListedPlay:
    """`time` is local."""

    time: datetime
    artist: str
    title: str


@dataclass(frozen=True)
class DayOfPlays:
    day: date
    plays: Sequence[ListedPlay]


def latest_plays(of: UserListening) -> Sequence[ListedPlay]:
    """The listener's last plays, newest first."""
    preferred = timezones_of(of.connection, [of.user_id]).get(of.user_id, UTC)
    return [_listed(play, preferred) for play in recent_plays(of.connection, of.user_id, most=LATEST)]


def by_day(plays: Sequence[ListedPlay]) -> Sequence[DayOfPlays]:
    """The plays under their days, in the order in which they are given."""
    return [DayOfPlays(day, list(its)) for day, its in groupby(plays, lambda play: play.time.date())]


def _listed(play: RecentPlay, preferred: tzinfo) -> ListedPlay:
    minutes = play.utc_offset_minutes
    local = preferred if minutes is None else timezone(timedelta(minutes=minutes))
    return ListedPlay(play.played_at.astimezone(local), play.song.artist, play.song.title)
