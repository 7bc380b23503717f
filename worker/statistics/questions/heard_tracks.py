"""The tracks of a user that count for one song, artist or album, each with what it adds up to ever."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Integer, Select, Subquery, and_, case, func, select, type_coerce

from worker.models import SongDay
from worker.statistics import statements
from worker.statistics.questions.sources import UserListening
from worker.statistics.questions.subjects import Subject, filed, may_count_for
from worker.statistics.rollups.compute import columns_of
from worker.statistics.sql import total


@dataclass(frozen=True)
class HeardTrack:
    """A track, from the first day with a play to the last; `latest_listen` is None without one.

    `named_song_id` and `named_track_id` say where `subjects.named` finds the name that it counts for.
    """

    song_id: int
    track_id: int
    named_song_id: int | None
    named_track_id: int | None
    plays: int
    listens: int
    ms_played: int
    first_day: date
    last_day: date
    latest_listen: date | None


def heard_tracks(listening: UserListening, subject: Subject, identity: UUID) -> Sequence[HeardTrack]:
    """The tracks that count for a subject, each once. Costs a look at each day of its songs, once in a snapshot."""
    return listening.once((subject, identity), lambda: _found(listening, subject, identity))


def _found(listening: UserListening, subject: Subject, identity: UUID) -> Sequence[HeardTrack]:
    songs = may_count_for(subject, [identity])
    found: dict[tuple[int, int], HeardTrack] = {}
    for rows in listening.rollups(date.min, date.max).songs:
        # Adds up before it joins: an artist has thousands of days, and few tracks.
        each = filed(_by_track(select(rows).where(rows.c.song_id.in_(songs)).subquery()), subject).subquery()
        names = HeardTrack.__dataclass_fields__
        wanted = select(*(each.c[name] for name in names))
        if subject is not Subject.SONG:
            # A song's tracks are filed under the song that it counts as, whichever of its twins was asked for.
            wanted = wanted.where(each.c.filed_under == identity)
        for row in listening.connection.execute(wanted).all():
            track = HeardTrack(*row)
            key = track.song_id, track.track_id
            found[key] = _together(found[key], track) if key in found else track
    return list(found.values())


def _by_track(rows: Subquery) -> Subquery:
    row = rows.c
    sums = (total(row[name]).label(name) for name in ("plays", "listens", "ms_played"))
    ends = (func.min(row.day).label("first_day"), func.max(row.day).label("last_day"))
    latest = func.max(case((row.listens > 0, row.day))).label("latest_listen")
    return select(row.song_id, row.track_id, *sums, *ends, latest).group_by(row.song_id, row.track_id).subquery()


def _together(one: HeardTrack, other: HeardTrack) -> HeardTrack:
    """What both parts of the rollups have of a track."""
    listened = [each.latest_listen for each in (one, other) if each.latest_listen is not None]
    return replace(
        one,
        plays=one.plays + other.plays,
        listens=one.listens + other.listens,
        ms_played=one.ms_played + other.ms_played,
        first_day=min(one.first_day, other.first_day),
        last_day=max(one.last_day, other.last_day),
        latest_listen=max(listened, default=None),
    )


def as_song_days(listening: UserListening, tracks: Sequence[HeardTrack]) -> Subquery:
    """The tracks as rows with the columns of `SongDay`, each on the day of its latest listen, for other statements."""
    rows = [_song_day(listening.user_id, track) for track in tracks]
    statement = statements.bound(listening.connection, "given_songs", rows, given=len(rows))
    return select(statement.columns(*columns_of(SongDay)).cte("heard_tracks")).subquery()


def _song_day(user_id: int, track: HeardTrack) -> Mapping[str, Any]:
    return {
        "user_id": user_id,
        "day": track.latest_listen or track.last_day,
        "song_id": track.song_id,
        "track_id": track.track_id,
        "plays": track.plays,
        "listens": track.listens,
        "ms_played": track.ms_played,
    }


def listens_by_day(listening: UserListening, tracks: Sequence[HeardTrack]) -> Sequence[Select[date, int]]:
    """Parts of the days of some tracks, with their listens. A day is in one part. Costs a look at each of them."""
    wanted = as_song_days(listening, tracks)
    return [
        select(type_coerce(rows.c.day, Date).label("day"), func.sum(rows.c.listens, type_=Integer).label("listens"))
        .join_from(rows, wanted, and_(rows.c.song_id == wanted.c.song_id, rows.c.track_id == wanted.c.track_id))
        .group_by(rows.c.day)
        for rows in listening.rollups(date.min, date.max).songs
    ]
