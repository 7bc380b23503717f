"""Rows for tests of statistics: written as the recorder writes them, and read back as rollups."""

from collections.abc import Mapping
from datetime import date
from operator import add
from typing import Any

from sqlalchemy import Engine, delete, select, union_all, update

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
    """Every row that answers questions about a user."""
    with snapshot(engine) as session:
        return _read(UserListening(session.connection(), user_id, rule))


def rollups_of_everyone(engine: Engine, rule: ListenRule = RULE) -> brute_force.Rollups:
    """Every row that answers questions about everyone, summed up by key."""
    with snapshot(engine) as session:
        return _read(GlobalListening(session.connection(), rule))


def _read(listening: Listening) -> brute_force.Rollups:
    rollups = listening.rollups(date.min, date.max)
    parts = [rollups.hours], rollups.songs
    read = brute_force.Rollups()
    for each, found in zip(parts, (read.hours, read.songs), strict=True):
        rows = listening.connection.execute(union_all(*(select(*part.c[:6]) for part in each))).all()
        assert isinstance(listening, GlobalListening) or len({row[:3] for row in rows}) == len(rows)
        for user_id, day, key, *numbers in rows:
            before = found.get((user_id, day, key), (0, 0, 0))
            plays, listens, ms_played = map(add, before, numbers)
            found[user_id, day, key] = plays, listens, ms_played
    return read


def assert_exact(engine: Engine, rule: ListenRule = RULE) -> None:
    found = brute_force.stored(engine)
    wanted = brute_force.rollups(engine, percent=rule.percent, enough_s=rule.enough_s, unknown_s=rule.unknown_s)
    assert found.hours == wanted.hours
    assert found.songs == wanted.songs


def at(time: str, **changes: Any) -> dict[str, Any]:
    return play(time=time, **changes)
