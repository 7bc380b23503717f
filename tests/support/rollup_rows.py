"""Rows for tests of statistics: written as the recorder writes them, and read back as rollups."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from operator import add
from typing import Any
from unittest.mock import patch

from sqlalchemy import Engine, Subquery, delete, select, union_all, update

from tests.support import brute_force
from tests.support.events import accepted, play, preference
from worker.database.engine import snapshot, transaction
from worker.models import Base, Preference, User
from worker.recorders.batch import record_batch
from worker.recorders.known import Known
from worker.statistics import GlobalListening, Listening, ListenRule, UserListening
from worker.statistics.rollups.sweep import refresh

RULE = ListenRule()


def record(engine: Engine, *events: Mapping[str, Any]) -> None:
    with transaction(engine) as session:
        record_batch(session.connection(), accepted(*events), known=Known())


def store_timezone(engine: Engine, value: object, *, user: str = "ada") -> None:
    """Any value, as an earlier release accepted it. The contract refuses one that names no timezone."""
    record(engine, preference(user=user, key="timezone", value="UTC"))
    of_user = select(User.id).where(User.username == user).scalar_subquery()
    with transaction(engine) as session:
        session.execute(update(Preference).where(Preference.user_id == of_user).values(value=value))


def emptied(engine: Engine) -> Engine:
    """The same database without rows, for the next example of a property."""
    with transaction(engine) as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(delete(table))
    return engine


def days(engine: Engine, *events: Mapping[str, Any]) -> dict[date, int]:
    """The local days of these plays by the rollups, with the number of plays of each day."""
    record(engine, *events)
    refresh(engine, RULE)
    found: dict[date, int] = {}
    for (_, day, _), (plays, _, _) in brute_force.stored(engine).hours.items():
        found[day] = found.get(day, 0) + plays
    return found


def rollups_of_user(engine: Engine, user_id: int, rule: ListenRule = RULE) -> brute_force.Rollups:
    """Every row that answers questions about a user: as few waiting days are computed, and the same as many are."""
    with snapshot(engine) as session:
        found = _read(UserListening(session.connection(), user_id, rule))
        with patch("worker.statistics.questions.sources.FEW", 0):
            assert _read(UserListening(session.connection(), user_id, rule)) == found
        return found


def rollups_of_everyone(engine: Engine, rule: ListenRule = RULE) -> brute_force.Rollups:
    """Every row that answers questions about everyone, summed up by key."""
    with snapshot(engine) as session:
        return _read(GlobalListening(session.connection(), rule))


def _read(listening: Listening) -> brute_force.Rollups:
    rollups = listening.rollups(date.min, date.max)
    return brute_force.Rollups(
        {(user_id, day, hour): numbers for (user_id, day, hour), numbers in _summed(listening, [rollups.hours])},
        {(user_id, day, *song): numbers for (user_id, day, *song), numbers in _summed(listening, rollups.songs)},
    )


def _summed(listening: Listening, parts: Sequence[Subquery]) -> Iterator[tuple[Any, brute_force.Numbers]]:
    """Keys and their numbers, which are the last three columns."""
    rows = listening.connection.execute(union_all(*map(select, parts))).all()
    sums: dict[Any, brute_force.Numbers] = {}
    for row in rows:
        plays, listens, ms_played = map(add, sums.get(row[:-3], (0, 0, 0)), row[-3:])
        sums[row[:-3]] = plays, listens, ms_played
    assert isinstance(listening, GlobalListening) or len(sums) == len(rows)
    yield from sums.items()


def assert_exact(engine: Engine, rule: ListenRule = RULE) -> None:
    found = brute_force.stored(engine)
    wanted = brute_force.rollups(engine, **rule.as_parameters())
    assert found.hours == wanted.hours
    assert found.songs == wanted.songs


def at(time: str, **changes: Any) -> dict[str, Any]:
    return play(time=time, **changes)
