"""List a user's plays, newest first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, func, select

from worker.contract.events import SongRef
from worker.models import PlayHistory
from worker.models.sent_song import columns_of_song, song_ref, with_song


class Between(NamedTuple):
    """Two instants, both excluded; None is no limit."""

    after: datetime | None = None
    before: datetime | None = None


ALWAYS: Final = Between()


@dataclass(frozen=True)
class RecentPlay:
    """One play, with the spelling of the catalogue, and the album, artists and duration of this play."""

    id: UUID
    played_at: datetime
    recorded_at: datetime
    utc_offset_minutes: int | None
    ms_played: int | None
    source: str | None
    context: dict[str, Any] | None
    song: SongRef


def recent_plays(
    connection: Connection,
    user_id: int,
    *,
    most: int,
    between: Between = ALWAYS,
    offset: int = 0,
) -> Sequence[RecentPlay]:
    """At most `most` plays between two instants, newest first, without the first `offset`.

    They are the latest ones, except with `after` alone: then those that follow it. Costs a look at each of them, and at
    those that are left out.
    """
    play = PlayHistory
    oldest_first = between.after is not None and between.before is None and not offset
    order = (play.played_at, play.song_id) if oldest_first else (play.played_at.desc(), play.song_id.desc())
    columns = select(
        play.id, play.played_at, play.created_at, play.utc_offset_minutes, play.ms_played, play.source, play.context,
        *columns_of_song(play),
    )  # fmt: skip
    rows = connection.execute(
        with_song(columns, play).where(*_conditions(user_id, between)).order_by(*order).offset(offset).limit(most)
    ).all()
    plays = [
        RecentPlay(play_id, at, recorded_at, offset_minutes, ms_played, source, context, song_ref(*song_facts))
        for play_id, at, recorded_at, offset_minutes, ms_played, source, context, *song_facts in rows
    ]
    return plays[::-1] if oldest_first else plays


@dataclass(frozen=True)
class History:
    """How long a history is: `first_at` and `last_at` are its ends, None without a play."""

    plays: int
    first_at: datetime | None
    last_at: datetime | None


def history(connection: Connection, user_id: int, between: Between = ALWAYS) -> History:
    """The number of a user's plays between two instants, and its ends. Costs a look at each index entry of the user."""
    played_at = PlayHistory.played_at
    count = select(func.count(), func.min(played_at), func.max(played_at))
    return History(*connection.execute(count.where(*_conditions(user_id, between))).one())


def _conditions(user_id: int, between: Between) -> Iterator[ColumnElement[bool]]:
    yield PlayHistory.user_id == user_id
    if between.after is not None:
        yield PlayHistory.played_at > between.after
    if between.before is not None:
        yield PlayHistory.played_at < between.before
