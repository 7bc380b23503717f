"""The rollups, counted in plain Python over the plays, one by one."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import Engine, select

from tests.support.two_roads import Report, counting
from worker.database.engine import snapshot
from worker.models import LeftOut, ListeningHour, Merge, PlayHistory, Preference, Song, SongDay, TrackArtist, User
from worker.statistics import Period, Span

DAY_MS = 86_400_000


class LocalPlay(NamedTuple):
    """A play in its listener's local time, with all that its count depends on.

    `song_id` is the song that it counts for, and `track_id` 0 without a track.
    """

    user_id: int
    song_id: int
    track_id: int
    local: datetime
    ms_played: int | None
    duration_ms: int | None


Numbers = tuple[int, int, int]


@dataclass
class Rollups:
    """Plays, listens and milliseconds, by hour and by song and track."""

    hours: dict[tuple[int, date, int], Numbers] = field(default_factory=dict)
    songs: dict[tuple[int, date, int, int], Numbers] = field(default_factory=dict)

    def of(self, user_id: int) -> "Rollups":
        return Rollups(
            {key: row for key, row in self.hours.items() if key[0] == user_id},
            {key: row for key, row in self.songs.items() if key[0] == user_id},
        )


def local_plays(engine: Engine, *, same_play_s: int = 120) -> list[LocalPlay]:
    """The plays that count: of those that several sources report, one."""
    with snapshot(engine) as session:
        preferences = session.execute(select(Preference.user_id, Preference.value).where(Preference.key == "timezone"))
        zones = {user_id: _zone(value) for user_id, value in preferences}
        songs = {song.id: song for song in session.scalars(select(Song))}
        plays = session.scalars(select(PlayHistory)).all()
    left_out = _LeftOut.of(engine)
    local = [(play, _local_play(play, songs[play.song_id], zones.get(play.user_id, UTC))) for play in plays]
    reports = [_report(play, each) for play, each in local if not left_out.has(each, songs[each.song_id])]
    return [report.play for report in counting(reports, same_play_s)]


@dataclass(frozen=True)
class _LeftOut:
    """What each user leaves out, and the artists that each track lists."""

    names: set[tuple[int, str, UUID]]
    listed: dict[int, set[UUID]]

    @classmethod
    def of(cls, engine: Engine) -> "_LeftOut":
        with snapshot(engine) as session:
            into = {(merge.subject, merge.identity): merge.into_identity for merge in session.scalars(select(Merge))}
            said = session.scalars(select(LeftOut)).all()
            listed = defaultdict[int, set[UUID]](set)
            for artist in session.scalars(select(TrackArtist)):
                listed[artist.track_id].add(artist.artist_identity)
        names = set()
        for each in said:
            identity = each.identity
            while (each.subject, identity) in into:
                identity = into[each.subject, identity]
            names.add((each.user_id, each.subject, identity))
        return cls(names, listed)

    def has(self, play: LocalPlay, song: Song) -> bool:
        named = [("song", song.twin_identity), ("artist", song.artist_identity)]
        named += [("artist", identity) for identity in self.listed.get(play.track_id, ())]
        return any((play.user_id, *each) in self.names for each in named)


def _report(play: PlayHistory, local: LocalPlay) -> Report:
    key = (local.user_id, local.song_id)
    return Report(key, play.played_at, play.source or "", local.duration_ms, play.ms_played, local)


def _local_play(play: PlayHistory, song: Song, zone: tzinfo) -> LocalPlay:
    track_id = song.legacy_track_id if play.track_id is None else play.track_id
    return LocalPlay(
        play.user_id,
        song.id if song.counts_as_id is None else song.counts_as_id,
        track_id or 0,
        play.played_at.astimezone(_offset(play.utc_offset_minutes) or zone),
        play.ms_played,
        _duration(play, song),
    )


def _duration(play: PlayHistory, song: Song) -> int | None:
    """The one set by hand, else the play's own, else what a release before 0.3 knew of its song."""
    if song.duration_set_ms is not None:
        return song.duration_set_ms
    if play.duration_ms is not None and 1_000 <= play.duration_ms <= DAY_MS:
        return play.duration_ms
    return song.legacy_duration_ms if play.track_id is None else None


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


def rollups(engine: Engine, *, same_play_s: int = 120, **rule: int) -> Rollups:
    """The rows that the rollups must have."""
    wanted = Rollups()
    for play in local_plays(engine, same_play_s=same_play_s):
        day = play.local.date()
        numbers = (1, int(counts(play, **rule)), play.ms_played or 0)
        hour, song = (play.user_id, day, play.local.hour), (play.user_id, day, play.song_id, play.track_id)
        wanted.hours[hour] = _plus(wanted.hours.get(hour), numbers)
        wanted.songs[song] = _plus(wanted.songs.get(song), numbers)
    return wanted


def _plus(one: Numbers | None, other: Numbers) -> Numbers:
    plays, listens, ms_played = one or (0, 0, 0)
    return plays + other[0], listens + other[1], ms_played + other[2]


def stored(engine: Engine) -> Rollups:
    """The rows that the rollups have."""
    with snapshot(engine) as session:
        return Rollups(
            {
                (row.user_id, row.day, row.hour): (row.plays, row.listens, row.ms_played)
                for row in session.scalars(select(ListeningHour))
            },
            {
                (row.user_id, row.day, row.song_id, row.track_id): (row.plays, row.listens, row.ms_played)
                for row in session.scalars(select(SongDay))
            },
        )


def song_chart(
    engine: Engine, span: Span, *, same_play_s: int = 120, **rule: int
) -> list[tuple[int, str, str, int, int, int, int]]:
    """Place, artist, title, plays, listens, milliseconds and listeners of every song with a listen."""
    plays: Counter[int] = Counter()
    listens: Counter[int] = Counter()
    ms_played: Counter[int] = Counter()
    listeners: defaultdict[int, set[int]] = defaultdict(set)
    latest: defaultdict[int, date] = defaultdict(lambda: date.min)
    for play in local_plays(engine, same_play_s=same_play_s):
        if span.period is Period.ALL or play.local.date() in span:
            plays[play.song_id] += 1
            ms_played[play.song_id] += play.ms_played or 0
            listeners[play.song_id].add(play.user_id)
            if counts(play, **rule):
                listens[play.song_id] += 1
                latest[play.song_id] = max(latest[play.song_id], play.local.date())
    with snapshot(engine) as session:
        songs = {song.id: song for song in session.scalars(select(Song))}

    def order(song: int) -> tuple[int, int, int, int, bytes]:
        return -listens[song], -plays[song], -ms_played[song], -latest[song].toordinal(), songs[song].identity.bytes

    return [
        (place, songs[song].artist, songs[song].title, plays[song], listens[song], ms_played[song],
         len(listeners[song]))
        for place, song in enumerate(sorted((song for song in plays if listens[song]), key=order), start=1)
    ]  # fmt: skip


def users(engine: Engine) -> Iterable[int]:
    with snapshot(engine) as session:
        return list(session.scalars(select(User.id)))
