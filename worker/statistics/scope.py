"""Which rows of a rollup a question is about, and how they are added up."""

from datetime import date

from sqlalchemy import BigInteger, Cast, ColumnElement, and_, cast, func
from sqlalchemy.orm import InstrumentedAttribute

from worker.models import ListeningHour, SongDay

Rollup = type[ListeningHour] | type[SongDay]


def scope(rollup: Rollup, first: date, last: date, *, user_id: int | None) -> ColumnElement[bool]:
    """The days from `first` to `last`, both included, of one user; of everyone where there is none."""
    # Bounds that bound nothing would only make the database reckon with a smaller answer.
    bounds = [rollup.day >= first] * (first > date.min) + [rollup.day <= last] * (last < date.max)
    return and_(True, *([] if user_id is None else [rollup.user_id == user_id]), *bounds)  # noqa: FBT003 -- SQL's true


def total(column: InstrumentedAttribute[int]) -> Cast[int]:
    """A sum that is an integer: PostgreSQL's sum of bigint is numeric, and of no rows it is null."""
    return cast(func.coalesce(func.sum(column), 0), BigInteger)
