"""What questions have in common: bounds of days, sums that are integers, groups of parts, and what an artist is."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import BigInteger, Cast, ColumnElement, Select, Subquery, and_, cast, func, true, union_all
from sqlalchemy.orm import InstrumentedAttribute

from worker.models import Song

# Of a song that nobody has filed yet, the song stands for its artist.
ARTIST: Final = func.coalesce(Song.artist_identity, Song.identity)


def within(day: ColumnElement[date] | InstrumentedAttribute[date], first: date, last: date) -> ColumnElement[bool]:
    """The days from `first` to `last`, both included.

    Bounds that bound nothing are left out: the database would reckon with a smaller answer.
    """
    bounds = [day >= first] * (first > date.min) + [day <= last] * (last < date.max)
    return and_(true(), *bounds)


def total(column: ColumnElement[int]) -> Cast[int]:
    """A sum that is an integer: PostgreSQL's sum of bigint is numeric, and of no rows it is null."""
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


def grouped(
    parts: Sequence[Subquery], group: Callable[[Subquery], Select[*tuple[Any, ...]]]
) -> Select[*tuple[Any, ...]]:
    """Group each part, then what comes of them; `group` gives columns that it can be applied to again.

    PostgreSQL groups a table in the order of an index, and hashes each row of a union.
    """
    if len(parts) == 1:
        return group(parts[0])
    return group(union_all(*map(group, parts)).subquery())
