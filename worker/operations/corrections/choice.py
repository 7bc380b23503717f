"""Choose plays of a user by id, local day, song, source or import, among those that count or those that are deleted."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from itertools import islice
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, exists, func, select
from sqlalchemy.orm import aliased

from worker.contract.events import IMPORT, SongRef
from worker.contract.identity import canonical_title, song_identity
from worker.models import CorrectedPlay, PlayHistory, Song
from worker.models.sent_song import columns_of_song, song_ref, with_song
from worker.statistics.local_time import bounds_of, timezones_of

_AT_ONCE: Final = 1_000
_Table = type[PlayHistory] | type[CorrectedPlay]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which plays: those that satisfy every field that is given. `day` is the listener's local day."""

    ids: Collection[UUID] = ()
    day: date | None = None
    artist: str | None = None
    title: str | None = None
    source: str | None = None
    import_id: str | None = None

    @property
    def is_everything(self) -> bool:
        return self == Choice()


@dataclass(frozen=True, kw_only=True)
class FoundPlay:
    """A play as it counts, or as it was when it was deleted. `time` is the listener's local time.

    `song` has the album, artists and duration of this play.
    """

    id: UUID
    time: datetime
    song: SongRef
    ms_played: int | None
    source: str | None
    import_id: str | None
    is_deleted: bool
    is_edited: bool


@dataclass(frozen=True, kw_only=True)
class Imported:
    """One run of `zik import`: when its first play was recorded, and how many of its plays count and are deleted."""

    import_id: str
    since: datetime
    plays: int
    deleted: int


def find(
    connection: Connection, user_id: int, choice: Choice, *, deleted: bool = False, most: int | None = None
) -> Sequence[FoundPlay]:
    """The first `most` plays that are chosen, in the order of time. `deleted`: among the deleted ones.

    Costs a look at each of the user's plays, or of the day's.
    """
    timezone_of_user = timezones_of(connection, [user_id]).get(user_id, UTC)
    chosen = _chosen(user_id, choice, deleted=deleted).execution_options(yield_per=_AT_ONCE)
    with closing(connection.execute(chosen)) as rows:
        found = (_found(row, timezone_of_user, is_deleted=deleted) for row in rows)
        return list(islice(_satisfying(found, choice), most))


def ids_of_day(connection: Connection, user_id: int, day: date) -> Sequence[UUID]:
    """The ids of a local day's plays, in the order of `find`. Costs a look at each play of three days."""
    timezone_of_user = timezones_of(connection, [user_id]).get(user_id, UTC)
    first, last = bounds_of(day, day)
    play = PlayHistory
    around = select(play.id, play.played_at, play.utc_offset_minutes).where(
        play.user_id == user_id, play.played_at >= first, play.played_at < last
    )
    rows = connection.execute(around.order_by(play.played_at, play.id))
    return [
        play_id
        for play_id, played_at, offset in rows
        if played_at.astimezone(_local(offset, timezone_of_user)).date() == day
    ]


def imports(connection: Connection, user_id: int) -> Sequence[Imported]:
    """Every import of the user, oldest first. Costs a look at each of the user's plays."""
    counted = _of_imports(connection, PlayHistory, user_id)
    deleted = _of_imports(connection, CorrectedPlay, user_id)
    found = [
        Imported(
            import_id=name,
            since=min(each[name][0] for each in (counted, deleted) if name in each),
            plays=counted[name][1] if name in counted else 0,
            deleted=deleted[name][1] if name in deleted else 0,
        )
        for name in counted.keys() | deleted.keys()
    ]
    return sorted(found, key=lambda each: (each.since, each.import_id))


def _of_imports(connection: Connection, table: _Table, user_id: int) -> dict[str, tuple[datetime, int]]:
    """Of each import the time of its first play, and the number of its plays in this table."""
    import_id = table.context[IMPORT].as_string()
    since = func.min(CorrectedPlay.recorded_at if table is CorrectedPlay else PlayHistory.created_at)
    plays = select(import_id, since, func.count()).where(table.user_id == user_id, import_id.is_not(None))
    if table is CorrectedPlay:
        plays = plays.where(CorrectedPlay.is_deletion)
    return {name: (first, count) for name, first, count in connection.execute(plays.group_by(import_id))}


def _chosen(user_id: int, choice: Choice, *, deleted: bool) -> Select[Any]:
    """The chosen plays, as far as SQL can tell: the local day and the spelling of one name are judged later."""
    table: _Table = CorrectedPlay if deleted else PlayHistory
    edit = aliased(CorrectedPlay)
    is_edited = exists().where(edit.user_id == table.user_id, edit.id == table.id, ~edit.is_deletion)
    import_id = table.context[IMPORT].as_string()
    wanted: list[ColumnElement[bool]] = [table.user_id == user_id]
    if deleted:
        wanted.append(CorrectedPlay.is_deletion.is_(True))
    if choice.ids:
        wanted.append(table.id.in_(choice.ids))
    if choice.day:
        first, last = bounds_of(choice.day, choice.day)
        wanted += [table.played_at >= first, table.played_at < last]
    if choice.artist and choice.title:
        wanted.append(Song.identity == UUID(song_identity(choice.artist, choice.title)))
    if choice.source is not None:
        wanted.append(table.source == choice.source)
    if choice.import_id is not None:
        wanted.append(import_id == choice.import_id)
    plays = select(
        table.id, table.played_at, table.utc_offset_minutes, table.ms_played, table.source,
        import_id.label("import_id"), is_edited.label("is_edited"), *columns_of_song(table),
    )  # fmt: skip
    return with_song(plays, table).where(*wanted).order_by(table.played_at, table.id)


def _found(row: Row[*tuple[Any, ...]], timezone_of_user: tzinfo, *, is_deleted: bool) -> FoundPlay:
    play_id, played_at, offset, ms_played, source, import_id, is_edited, *song = row
    return FoundPlay(
        id=play_id,
        time=played_at.astimezone(_local(offset, timezone_of_user)),
        song=song_ref(*song),
        ms_played=ms_played,
        source=source,
        import_id=import_id,
        is_deleted=is_deleted,
        is_edited=bool(is_edited),
    )


def _local(offset_minutes: int | None, timezone_of_user: tzinfo) -> tzinfo:
    return timezone_of_user if offset_minutes is None else timezone(timedelta(minutes=offset_minutes))


def _satisfying(found: Iterator[FoundPlay], choice: Choice) -> Iterator[FoundPlay]:
    artist, title = (name and canonical_title(name) for name in (choice.artist, choice.title))
    for play in found:
        if (
            (choice.day is None or play.time.date() == choice.day)
            # Where both are given, the song is known by its identity already, however it was corrected since.
            and (not artist or title or canonical_title(play.song.artist) == artist)
            and (not title or artist or canonical_title(play.song.title) == title)
        ):
            yield play
