"""Which rows of a rollup a question is about, and how they are added up."""

from datetime import date

from sqlalchemy import BigInteger, Cast, ColumnElement, and_, cast, func, true
from sqlalchemy.orm import InstrumentedAttribute

from worker.models import ListeningHour, SongDay

Rollup = type[ListeningHour] | type[SongDay]


def scope(rollup: Rollup, first: date, last: date, *, user_id: int | None) -> ColumnElement[bool]:
    """The days from `first` to `last`, both included, of one user; of everyone where there is none."""
    days = within(rollup.day, first, last)
    return days if user_id is None else and_(rollup.user_id == user_id, days)


def within(day: ColumnElement[date] | InstrumentedAttribute[date], first: date, last: date) -> ColumnElement[bool]:
    """Bounds for a day. Those that bound nothing are left out: the database would reckon with a smaller answer."""
    bounds = [day >= first] * (first > date.min) + [day <= last] * (last < date.max)
    return and_(true(), *bounds)


def total(column: ColumnElement[int] | InstrumentedAttribute[int]) -> Cast[int]:
    """A sum that is an integer: PostgreSQL's sum of bigint is numeric, and of no rows it is null."""
    return cast(func.coalesce(func.sum(column), 0), BigInteger)
