"""The rollups, counted in plain Python over the plays, one by one."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import Engine, select

from worker.database.engine import snapshot
from worker.models import ListeningHour, PlayHistory, Preference, Song, SongDay, User
from worker.statistics import Period, Span


class LocalPlay(NamedTuple):
    """A play in its listener's local time, with all that its count depends on."""

    user_id: int
    song_id: int
    local: datetime
    ms_played: int | None
    duration_ms: int | None


Numbers = tuple[int, int, int]


@dataclass
class Rollups:
    """Plays, listens and milliseconds, by hour and by song."""

    hours: dict[tuple[int, date, int], Numbers] = field(default_factory=dict)
    songs: dict[tuple[int, date, int], Numbers] = field(default_factory=dict)

    def of(self, user_id: int) -> "Rollups":
        parts = ({key: row for key, row in rows.items() if key[0] == user_id} for rows in (self.hours, self.songs))
        return Rollups(*parts)


def local_plays(engine: Engine) -> list[LocalPlay]:
    with snapshot(engine) as session:
        preferences = session.execute(select(Preference.user_id, Preference.value).where(Preference.key == "timezone"))
        zones = {user_id: _zone(value) for user_id, value in preferences}
        plays = session.execute(
            select(
                PlayHistory.user_id, PlayHistory.song_id, PlayHistory.played_at, PlayHistory.utc_offset_minutes,
                PlayHistory.ms_played, Song.duration_ms,
            ).join(Song)
        ).all()  # fmt: skip
    return [
        LocalPlay(user_id, song_id, at.astimezone(_offset(offset) or zones.get(user_id, UTC)), ms_played, duration_ms)
        for user_id, song_id, at, offset, ms_played, duration_ms in plays
    ]


def _offset(minutes: int | None) -> tzinfo | None:
    return None if minutes is None else timezone(timedelta(minutes=minutes))


def _zone(value: Any) -> tzinfo:
    return ZoneInfo(value) if isinstance(value, str) and value in _known_zones() else UTC


@cache
def _known_zones() -> set[str]:
    """It reads hundreds of files to know."""
    return available_timezones()


def counts(play: LocalPlay, *, percent: int = 50, enough_s: int = 240, unknown_s: int = 30) -> bool:
    """The listen rule."""
    if play.ms_played is None:
        return True
    if play.duration_ms is None:
        return play.ms_played >= unknown_s * 1000
    return play.ms_played / play.duration_ms >= percent / 100 or play.ms_played >= enough_s * 1000


def rollups(engine: Engine, **rule: int) -> Rollups:
    """The rows that the rollups must have."""
    wanted = Rollups()
    for play in local_plays(engine):
        day = play.local.date()
        for table, key in ((wanted.hours, play.local.hour), (wanted.songs, play.song_id)):
            plays, listens, ms_played = table.get((play.user_id, day, key), (0, 0, 0))
            table[play.user_id, day, key] = plays + 1, listens + counts(play, **rule), ms_played + (play.ms_played or 0)
    return wanted


def stored(engine: Engine) -> Rollups:
    """The rows that the rollups have."""
    with snapshot(engine) as session:
        return Rollups(
            {
                (row.user_id, row.day, row.hour): (row.plays, row.listens, row.ms_played)
                for row in session.scalars(select(ListeningHour))
            },
            {
                (row.user_id, row.day, row.song_id): (row.plays, row.listens, row.ms_played)
                for row in session.scalars(select(SongDay))
            },
        )


def song_chart(engine: Engine, span: Span, **rule: int) -> list[tuple[int, str, str, int, int, int, int]]:
    """Place, artist, title, plays, listens, milliseconds and listeners of every song with a listen."""
    plays: Counter[int] = Counter()
    listens: Counter[int] = Counter()
    ms_played: Counter[int] = Counter()
    listeners: defaultdict[int, set[int]] = defaultdict(set)
    for play in local_plays(engine):
        if span.period is Period.ALL or play.local.date() in span:
            plays[play.song_id] += 1
            listens[play.song_id] += counts(play, **rule)
            ms_played[play.song_id] += play.ms_played or 0
            listeners[play.song_id].add(play.user_id)
    with snapshot(engine) as session:
        names = {song.id: (song.artist, song.title) for song in session.scalars(select(Song))}
    ranked = sorted((song for song in plays if listens[song]), key=lambda song: (-listens[song], -plays[song], song))
    return [
        (place, *names[song], plays[song], listens[song], ms_played[song], len(listeners[song]))
        for place, song in enumerate(ranked, start=1)
    ]


def users(engine: Engine) -> Iterable[int]:
    with snapshot(engine) as session:
        return list(session.scalars(select(User.id)))
