"""Choose plays of a user by id, local day, song, source or import, among those that count or those that are deleted.

Songs and artists are compared as statistics do: twins and merged ones are one.
"""

from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from itertools import islice
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, Uuid, exists, func, literal, or_, select
from sqlalchemy.orm import aliased

from worker.contract.events import IMPORT, SongRef
from worker.contract.identity import artist_identity, loose_title
from worker.models import CorrectedPlay, Merge, PlayHistory, Song, TrackArtist
from worker.models.sent_song import columns_of_song, song_ref, with_song
from worker.statistics.local_time import bounds_of, timezones_of
from worker.statistics.rollups.merges import ARTIST

_AT_ONCE: Final = 1_000
# The song that a play counts for.
_COUNTS: Final = aliased(Song)
_COUNTED: Final = func.coalesce(Song.counts_as_id, Song.id)
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
        titled = (row for row in rows if _has_title(row, choice))
        found = (_found(row, timezone_of_user, is_deleted=deleted) for row in titled)
        return list(islice((play for play in found if choice.day is None or play.time.date() == choice.day), most))


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
    """The chosen plays, as far as SQL can tell: the local day, and a title without an artist, are judged later."""
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
        counted = select(_COUNTED).where(Song.is_named(choice.artist, choice.title))
        wanted.append(_COUNTS.id.in_(counted))
    elif choice.artist:
        wanted.append(_is_by(choice.artist, table))
    if choice.source is not None:
        wanted.append(table.source == choice.source)
    if choice.import_id is not None:
        wanted.append(import_id == choice.import_id)
    plays = select(
        table.id, table.played_at, table.utc_offset_minutes, table.ms_played, table.source,
        import_id.label("import_id"), is_edited.label("is_edited"), _COUNTS.title.label("counts_as"),
        *columns_of_song(table),
    )  # fmt: skip
    with_counting = with_song(plays, table).join(_COUNTS, _COUNTS.id == _COUNTED)
    return with_counting.where(*wanted).order_by(table.played_at, table.id)


def _is_by(artist: str, table: _Table) -> ColumnElement[bool]:
    """Whether a play counts for the artist, or its song does, along all merges."""
    identity = UUID(artist_identity(artist))
    merged = select(Merge.counts_as_identity).where(Merge.subject == ARTIST, Merge.identity == identity)
    end = func.coalesce(merged.scalar_subquery(), literal(identity, Uuid))
    track_id = func.coalesce(table.track_id, Song.legacy_track_id)
    listed = exists().where(TrackArtist.track_id == track_id, TrackArtist.artist_identity == end)
    return or_(_COUNTS.artist_identity == end, Song.artist_identity == end, listed)


def _found(row: Row[*tuple[Any, ...]], timezone_of_user: tzinfo, *, is_deleted: bool) -> FoundPlay:
    play_id, played_at, offset, ms_played, source, import_id, is_edited, _, *song = row
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


def _has_title(row: Row[*tuple[Any, ...]], choice: Choice) -> bool:
    """Whether the play, or the song that it counts as, has the title, if that is given without an artist."""
    if choice.title is None or choice.artist is not None:
        return True
    return loose_title(choice.title) in {loose_title(row.title), loose_title(row.counts_as)}
