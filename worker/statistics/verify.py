"""Compare every rollup and chart with the plays, by other SQL than the one that computed them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CompoundSelect,
    Connection,
    Engine,
    Row,
    Select,
    case,
    cast,
    except_,
    exists,
    func,
    null,
    select,
    union,
)

from worker.database.engine import snapshot, without_statement_timeout
from worker.models import (
    ListeningHour,
    PlayHistory,
    Song,
    SongDay,
    SubjectSum,
    SummedStretch,
    User,
)
from worker.statistics import statements
from worker.statistics.chart_differences import chart_differences, charted, up_to_date
from worker.statistics.listen_rule import ListenRule
from worker.statistics.local_time import stretches, timezones_of
from worker.statistics.periods import ONE_DAY, Span
from worker.statistics.questions.backlog import count_waiting_days
from worker.statistics.questions.subjects import Subject
from worker.statistics.questions.top import sums_of
from worker.statistics.rollups.compute import columns_of
from worker.statistics.rollups.pending import has_one_listener, pending_of

_USERS_AT_ONCE: Final = 200
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


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
        charts = list(charted(session.connection()))
        are_read = not has_one_listener(session.connection())
    for together in charts:
        with snapshot(engine) as session:
            spans = up_to_date(session.connection(), together)
            comparison.charts += len(spans)
            comparison.charts_waiting += are_read * (len(together) - len(spans))
            comparison.differences += _of_charts(session.connection(), spans)
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
    rows = _stretches(connection, users)
    for rollup, user_id, day, key, *numbers in statements.run(connection, "compare_days", rows, **rule.as_parameters()):
        yield Difference(f"{rollup}: user {user_id}, {day}, {key}", _numbers(numbers[:3]), _numbers(numbers[3:]))
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
            filed, stored = _filed(stretch, subject), _stored(stretch, subject)
            wanted, found = (
                connection.scalar(_number(each)) or 0 for each in (except_(filed, stored), except_(stored, filed))
            )
            if wanted or found:
                where = f"subject_sums: {subject}s of user {', '.join(map(str, stretch))}"
                yield Difference(where, f"{wanted} rows that they lack", f"{found} others")


def _number(rows: CompoundSelect[*tuple[Any, ...]]) -> Select[int]:
    return select(func.count()).select_from(rows.subquery())


def _filed(stretch: Row[int, date, date], subject: Subject) -> Select[*tuple[Any, ...]]:
    """The sums of songs, artists or albums as a question adds them up from days."""
    user_id, first, last = stretch
    days = select(*columns_of(SongDay)).where(SongDay.user_id == user_id, SongDay.day.between(first, last))
    sums = sums_of([days.subquery()], subject).subquery().c
    numbers = (sums.plays, sums.listens, cast(sums.ms_played, BigInteger), sums.day)
    if subject is Subject.SONG:
        return select(Song.identity, Song.id, null(), *numbers).join(Song, Song.id == sums.song_id)
    return select(sums.filed_under, sums.named_song_id, sums.named_track_id, *numbers)


def _stored(stretch: Row[int, date, date], subject: Subject) -> Select[*tuple[Any, ...]]:
    user_id, first, last = stretch
    table = SubjectSum
    names = (table.filed_under, table.named_song_id, table.named_track_id)
    day = case((table.listens > 0, table.day))
    return select(*names, table.plays, table.listens, table.ms_played, day).where(
        table.user_id == user_id, table.first_day == first, table.last_day == last, table.subject == subject
    )


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


def _of_charts(connection: Connection, spans: Sequence[Span]) -> Iterator[Difference]:
    if spans:
        for each in chart_differences(connection, spans):
            where = f"charts: {each.subject}s, {each.span.period} of {each.span.first}"
            yield Difference(where, f"{each.wanted} places that it lacks", f"{each.found} others")
