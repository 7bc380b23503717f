"""Recompute everything from the history, in other words than the rollups were computed with, and name differences."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, exists, func, select, union

from worker.database.engine import snapshot, without_statement_timeout
from worker.database.statement import Statement
from worker.models import ChartPlace, ListeningHour, PlayHistory, SongDay, StaleChart, StaleDay, StaleHistory, User
from worker.statistics.charts import LENGTH, chart
from worker.statistics.listen_rule import IS_LISTEN, ListenRule
from worker.statistics.local_time import LOCAL_WORDS, STRETCH_COLUMNS, stretches, zones_of
from worker.statistics.periods import Span, spans_of
from worker.statistics.questions.sources import RollupsOnly
from worker.statistics.questions.top import Subject, ranking

_USERS_AT_ONCE: Final = 200
_DAY: Final = timedelta(days=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MARKS: Final = (StaleHistory, StaleDay, StaleChart)

# Over all plays of some users, by the stretches of their timezones instead of the windows of days. A day that is
# marked as stale is no difference yet; nor is one of a user whose history is, or who knows a song whose history is.
_DIFFERENCES: Final = """
    SELECT * FROM (
        SELECT user_id, day, {key},
               sum(plays) FILTER (WHERE wanted) AS plays, sum(listens) FILTER (WHERE wanted) AS listens,
               sum(ms_played) FILTER (WHERE wanted) AS ms_played, sum(plays) FILTER (WHERE NOT wanted) AS plays_found,
               sum(listens) FILTER (WHERE NOT wanted) AS listens_found,
               sum(ms_played) FILTER (WHERE NOT wanted) AS ms_played_found
          FROM (SELECT true AS wanted, user_id, day, {key}, count(*) AS plays,
                       count(*) FILTER (WHERE is_listen) AS listens, coalesce(sum(ms_played), 0) AS ms_played
                  FROM (SELECT play.user_id, {{local_day}} AS day, {{local_hour}} AS hour, play.song_id,
                               play.ms_played, {is_listen} AS is_listen
                          FROM {{rows}}
                          JOIN play_history AS play ON play.user_id = incoming.user_id
                           AND play.played_at >= incoming.starts_at AND play.played_at < incoming.ends_at
                          JOIN songs AS song ON song.id = play.song_id) AS plays
                 GROUP BY user_id, day, {key}
                 UNION ALL
                SELECT false, user_id, day, {key}, plays, listens, ms_played FROM {table}
                 WHERE user_id IN (SELECT user_id FROM {{rows}})) AS both_sides
         GROUP BY user_id, day, {key}) AS compared
     WHERE (plays, listens, ms_played) IS DISTINCT FROM (plays_found, listens_found, ms_played_found)
       AND NOT EXISTS (SELECT 1 FROM stale_days AS stale
                        WHERE stale.user_id = compared.user_id AND stale.day = compared.day)
       AND NOT EXISTS (SELECT 1 FROM stale_histories AS stale WHERE stale.user_id = compared.user_id)
       AND NOT EXISTS (SELECT 1 FROM stale_histories AS stale JOIN play_history AS play USING (song_id)
                        WHERE play.user_id = compared.user_id AND stale.charts_only IS NOT TRUE)
     ORDER BY user_id, day, {key}
"""
_TABLES: Final = {
    table: Statement(
        _DIFFERENCES.format(table=table, key=key, is_listen=IS_LISTEN),
        {"user_id": "bigint", **STRETCH_COLUMNS},
        LOCAL_WORDS,
    )
    for table, key in (("listening_hours", "hour"), ("song_days", "song_id"))
}


@dataclass(frozen=True)
class Difference:
    """What a rollup says, and what the history says; None where one of them says nothing."""

    where: str
    wanted: Any
    found: Any


@dataclass
class Comparison:
    """What was compared. `waiting` counts what is marked as stale, and is therefore not compared yet."""

    users: int = 0
    charts: int = 0
    waiting: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        return not self.differences


def verify(engine: Engine, rule: ListenRule, *, users_at_once: int = _USERS_AT_ONCE) -> Comparison:
    """Compare every rollup with the history. May run at any time: each comparison sees one moment of the database.

    Costs a look at every play, at every rollup, and at every day of every chart.
    """
    engine = without_statement_timeout(engine)
    comparison = Comparison()
    for connection, users in _parts(engine, most=users_at_once):
        comparison.users += len(users)
        comparison.differences += _of_users(connection, users, rule)
    with snapshot(engine) as session:
        comparison.waiting = sum(session.scalar(select(func.count()).select_from(table)) or 0 for table in _MARKS)
        spans = _spans(session.connection())
    for span in spans:
        with snapshot(engine) as session:
            if _settled(session.connection(), span):
                comparison.charts += 1
                comparison.differences += _of_chart(session.connection(), span)
    return comparison


def _parts(engine: Engine, *, most: int) -> Iterator[tuple[Connection, Sequence[int]]]:
    """The users, some at a time and in a snapshot of their own; then whoever has rollups and is no user.

    Whoever empties the table of users with TRUNCATE leaves those behind.
    """
    nobodies = union(
        *(select(each.user_id).where(~exists().where(User.id == each.user_id)) for each in (ListeningHour, SongDay))
    )
    for ids in (select(User.id), nobodies):
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
    for table, statement in _TABLES.items():
        for user_id, day, key, *numbers in statement.run(connection, rows, **rule.as_parameters()):
            yield Difference(f"{table}: user {user_id}, {day}, {key}", _numbers(numbers[:3]), _numbers(numbers[3:]))


def _numbers(numbers: Sequence[int | None]) -> str:
    plays, listens, ms_played = numbers
    return "no row" if plays is None else f"{plays} plays, {listens} listens, {ms_played} ms"


def _stretches(connection: Connection, users: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The timezones of these users over the time of their plays. One who has no plays still has a row."""
    zones = zones_of(connection, users)
    played = select(PlayHistory.user_id, func.min(PlayHistory.played_at), func.max(PlayHistory.played_at))
    spans = {
        user_id: (_midnight(first), _midnight(last) + _DAY)
        for user_id, first, last in connection.execute(
            played.where(PlayHistory.user_id.in_(users)).group_by(PlayHistory.user_id)
        )
    }
    for user_id in users:
        starts_at, ends_at = spans.get(user_id, (_EPOCH, _EPOCH + _DAY))
        for stretch in stretches(zones.get(user_id, UTC), starts_at, ends_at):
            yield {"user_id": user_id, **stretch.as_row()}


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def _spans(connection: Connection) -> list[Span]:
    """Every period of which there is a day or a chart."""
    days = {
        day for column in (SongDay.day, ChartPlace.starts_on) for day in connection.scalars(select(column).distinct())
    }
    return sorted({span for day in days for span in spans_of(day)})


def _settled(connection: Connection, span: Span) -> bool:
    """Whether nothing that the chart is made of waits to be computed."""
    marked = [
        select(StaleChart.mark).where(StaleChart.day.between(span.first, span.last)),
        select(StaleDay.mark).where(StaleDay.day.between(span.first, span.last)),
        select(StaleHistory.mark),
    ]
    return not any(connection.scalar(select(marks.exists())) for marks in marked)


def _of_chart(connection: Connection, span: Span) -> Iterator[Difference]:
    for subject in Subject:
        wanted = ranking(RollupsOnly(connection), subject, span, most=LENGTH)
        found = chart(connection, subject, span, most=LENGTH)
        if wanted != found:
            where = f"charts: {subject}s, {span.period} of {span.first}"
            yield Difference(where, f"{len(wanted)} places", f"{len(found)} places, not all the same")
