"""SQLAlchemy expressions that several questions use."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Cast,
    ColumnElement,
    Select,
    Subquery,
    and_,
    cast,
    extract,
    func,
    true,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute

_DAY_S: Final = 86_400


def within(day: ColumnElement[date] | InstrumentedAttribute[date], first: date, last: date) -> ColumnElement[bool]:
    """Whether a day is one from `first` to `last`, both included.

    Omits a bound at the end of the calendar: it excludes nothing, but PostgreSQL would expect fewer rows.
    """
    bounds = [day >= first] * (first > date.min) + [day <= last] * (last < date.max)
    return and_(true(), *bounds)


def total(column: ColumnElement[int]) -> Cast[int]:
    """A sum as an integer. PostgreSQL's sum of bigints is numeric, and null without rows."""
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


def days_between(first: ColumnElement[date], last: ColumnElement[date]) -> ColumnElement[int]:
    """The days from one day to another; null if one of them is null. Neither database subtracts the other's dates."""
    return cast((extract("epoch", last) - extract("epoch", first)) / _DAY_S, BigInteger)


def grouped(
    parts: Sequence[Subquery], group: Callable[[Subquery], Select[*tuple[Any, ...]]]
) -> Select[*tuple[Any, ...]]:
    """Group each part, then the groups of all parts. `group` must accept its own result as input.

    PostgreSQL can group one table in the order of an index, but must hash each row of a union.
    """
    if len(parts) == 1:
        return group(parts[0])
    return group(union_all(*map(group, parts)).subquery())
