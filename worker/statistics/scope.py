"""Bounds for days, and sums that are integers."""

from datetime import date

from sqlalchemy import BigInteger, Cast, ColumnElement, and_, cast, func, true
from sqlalchemy.orm import InstrumentedAttribute


def within(day: ColumnElement[date] | InstrumentedAttribute[date], first: date, last: date) -> ColumnElement[bool]:
    """The days from `first` to `last`, both included.

    Bounds that bound nothing are left out: the database would reckon with a smaller answer.
    """
    bounds = [day >= first] * (first > date.min) + [day <= last] * (last < date.max)
    return and_(true(), *bounds)


def total(column: ColumnElement[int]) -> Cast[int]:
    """A sum that is an integer: PostgreSQL's sum of bigint is numeric, and of no rows it is null."""
    return cast(func.coalesce(func.sum(column), 0), BigInteger)
