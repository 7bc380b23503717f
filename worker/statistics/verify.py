"""Compare every rollup and chart with the plays, by other SQL than the one that computed them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Engine, Row, case, cast, exists, func, null, select, union

from worker.database.engine import snapshot, without_statement_timeout
from worker.models import (
    ChartPlace,
    ListeningHour,
    PlayHistory,
    Song,
    SongDay,
    StaleChart,
    StaleDay,
    StaleHistory,
    SubjectSum,
    SummedStretch,
    User,
)
from worker.statistics import statements
from worker.statistics.charts import chart
from worker.statistics.drawing import LENGTH
from worker.statistics.listen_rule import ListenRule
from worker.statistics.local_time import stretches, timezones_of
from worker.statistics.periods import ONE_DAY, Span, spans_of
from worker.statistics.questions.backlog import count_waiting_days
from worker.statistics.questions.sources import RollupsOnly
from worker.statistics.questions.subjects import Subject
from worker.statistics.questions.top import rank, sums_of
from worker.statistics.rollups.compute import columns_of
from worker.statistics.rollups.pending import has_one_listener, pending_of
from worker.statistics.statements import Name

_USERS_AT_ONCE: Final = 200
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STATEMENTS: Final[Mapping[str, Name]] = {"listening_hours": "compare_hours", "song_days": "compare_songs"}


@dataclass(frozen=True)
class Difference:
    """What the plays say (`wanted`), and what the rollup or chart says (`found`)."""

    where: str
    wanted: Any
    found: Any


@dataclass
class Comparison:
    """What was compared, and what was not because it is stale: `waiting` days of users, and charts of such days.

    Charts for everyone that nobody reads, because there is one listener, are not counted as waiting.
    """

    users: int = 0
    charts: int = 0
    waiting: int = 0
    charts_waiting: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        return not self.differences


def verify(engine: Engine, rule: ListenRule, *, users_at_once: int = _USERS_AT_ONCE) -> Comparison:
    """Compare every rollup and chart with the plays. May run at any time: each comparison reads one snapshot.

    Costs a look at every play, every rollup, and every day of every chart.
    """
    engine = without_statement_timeout(engine)
    comparison = Comparison()
    with snapshot(engine) as session:
        # Counted before comparing: a day that is computed meanwhile may or may not be compared.
        comparison.waiting = count_waiting_days(session.connection())
    for connection, users in _parts(engine, most=users_at_once):
        comparison.users += len(users)
        comparison.differences += _of_users(connection, users, rule)
    with snapshot(engine) as session:
        spans = _spans(session.connection())
        are_read = not has_one_listener(session.connection())
    for span in spans:
        with snapshot(engine) as session:
            if _up_to_date(session.connection(), span):
                comparison.charts += 1
                comparison.differences += _of_chart(session.connection(), span)
            else:
                comparison.charts_waiting += are_read
    return comparison


def _parts(engine: Engine, *, most: int) -> Iterator[tuple[Connection, Sequence[int]]]:
    """The users, `most` at a time, each part in a snapshot of its own. Then the ids that have rollups and no user.

    TRUNCATE of the users leaves such rollups.
    """
    without_user = union(
        *(select(each.user_id).where(~exists().where(User.id == each.user_id)) for each in (ListeningHour, SongDay))
    )
    for ids in (select(User.id), without_user):
        number = ids.subquery().c[0]
        after = 0
        while True:
            with snapshot(engine) as session:
                some = session.scalars(select(number).where(number > after).order_by(number).limit(most)).all()
                if not some:
                    break
                yield session.connection(), some
            after = some[-1]


def _of_users(connection: Connection, users: Sequence[int], rule: ListenRule) -> Iterator[Difference]:
    rows = list(_stretches(connection, users))
    for table, name in _STATEMENTS.items():
        for user_id, day, *rest in statements.run(connection, name, rows, **rule.as_parameters()):
            key, numbers = rest[:-6], rest[-6:]
            where = f"{table}: user {user_id}, {day}, {'/'.join(map(str, key))}"
            yield Difference(where, _numbers(numbers[:3]), _numbers(numbers[3:]))
    yield from _of_sums(connection, users)


def _of_sums(connection: Connection, users: Sequence[int]) -> Iterator[Difference]:
    """Where the sums of stretches differ from their days, or from what their tracks are filed under."""
    rows = [{"user_id": user_id} for user_id in users]
    for *key, plays, listens, ms, plays_found, listens_found, ms_found in statements.run(
        connection, "compare_sums", rows
    ):
        where = f"day_sums: user {'/'.join(map(str, key))}"
        yield Difference(where, _numbers((plays, listens, ms)), _numbers((plays_found, listens_found, ms_found)))
    stretches = select(SummedStretch.user_id, SummedStretch.first_day, SummedStretch.last_day)
    for stretch in connection.execute(stretches.where(SummedStretch.user_id.in_(users))).all():
        pending = pending_of(connection, stretch.user_id)
        # No question reads the sums of a stretch with a day that waits.
        if pending.is_filing or any(stretch.first_day <= day <= stretch.last_day for day in pending.days):
            continue
        for subject in Subject:
            wanted_rows, found_rows = _filed(connection, stretch, subject), _stored(connection, stretch, subject)
            if wanted_rows != found_rows:
                where = f"subject_sums: {subject}s of user {', '.join(map(str, stretch))}"
                yield Difference(where, f"{len(wanted_rows)} rows", f"{len(found_rows)} rows, not all the same")


def _filed(connection: Connection, stretch: Row[int, date, date], subject: Subject) -> set[tuple[Any, ...]]:
    """The sums of songs, artists or albums as a question adds them up from days."""
    user_id, first, last = stretch
    days = select(*columns_of(SongDay)).where(SongDay.user_id == user_id, SongDay.day.between(first, last))
    sums = sums_of([days.subquery()], subject).subquery().c
    numbers = (sums.plays, sums.listens, cast(sums.ms_played, BigInteger), sums.day)
    if subject is Subject.SONG:
        wanted = select(Song.identity, Song.id, null(), *numbers).join(Song, Song.id == sums.song_id)
    else:
        wanted = select(sums.filed_under, sums.named_song_id, sums.named_track_id, *numbers)
    return {tuple(row) for row in connection.execute(wanted)}


def _stored(connection: Connection, stretch: Row[int, date, date], subject: Subject) -> set[tuple[Any, ...]]:
    user_id, first, last = stretch
    table = SubjectSum
    names = (table.filed_under, table.named_song_id, table.named_track_id)
    day = case((table.listens > 0, table.day))
    stored = select(*names, table.plays, table.listens, table.ms_played, day).where(
        table.user_id == user_id, table.first_day == first, table.last_day == last, table.subject == subject
    )
    return {tuple(row) for row in connection.execute(stored)}


def _numbers(numbers: Sequence[int | None]) -> str:
    plays, listens, ms_played = numbers
    return "no row" if plays is None else f"{plays} plays, {listens} listens, {ms_played} ms"


def _stretches(connection: Connection, users: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The offsets of these users over the time of their plays, at least one row for each user."""
    timezones = timezones_of(connection, users)
    played = select(PlayHistory.user_id, func.min(PlayHistory.played_at), func.max(PlayHistory.played_at))
    spans = {
        user_id: (_midnight(first), _midnight(last) + ONE_DAY)
        for user_id, first, last in connection.execute(
            played.where(PlayHistory.user_id.in_(users)).group_by(PlayHistory.user_id)
        )
    }
    for user_id in users:
        starts_at, ends_at = spans.get(user_id, (_EPOCH, _EPOCH + ONE_DAY))
        for stretch in stretches(timezones.get(user_id, UTC), starts_at, ends_at):
            yield {"user_id": user_id, **stretch.as_row()}


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def _spans(connection: Connection) -> list[Span]:
    """Every period that has a rollup or a chart."""
    days = {
        day for column in (SongDay.day, ChartPlace.starts_on) for day in connection.scalars(select(column).distinct())
    }
    return sorted({span for day in days for span in spans_of(day)})


def _up_to_date(connection: Connection, span: Span) -> bool:
    """Whether no day of the chart waits for a sweep."""
    marked = [
        select(StaleChart.mark).where(StaleChart.day.between(span.first, span.last)),
        select(StaleDay.mark).where(StaleDay.day.between(span.first, span.last)),
        select(StaleHistory.mark),
    ]
    return not any(connection.scalar(select(marks.exists())) for marks in marked)


def _of_chart(connection: Connection, span: Span) -> Iterator[Difference]:
    for subject in Subject:
        wanted = rank(RollupsOnly(connection), subject, span, most=LENGTH)
        found = chart(connection, subject, span, most=LENGTH)
        if wanted != found:
            where = f"charts: {subject}s, {span.period} of {span.first}"
            yield Difference(where, f"{len(wanted)} places", f"{len(found)} places, not all the same")
