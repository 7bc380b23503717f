"""Write rows by COPY, the fastest way into a table of PostgreSQL, if none of them is stored yet.

Rows are packed here as https://www.postgresql.org/docs/current/sql-copy.html describes the binary format: each value is
its length and its bytes, in the order of the network.
"""

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"
_HEADER: Final = _SIGNATURE + struct.pack("!ii", 0, 0)
_TRAILER: Final = struct.pack("!h", -1)
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = _EPOCH.toordinal()

NULL: Final = struct.pack("!i", -1)
_LENGTH: Final = struct.Struct("!i").pack
_INT2: Final = struct.Struct("!ih").pack
_INT4: Final = struct.Struct("!ii").pack
_INT8: Final = struct.Struct("!iq").pack


def int2(value: int | None) -> bytes:
    return NULL if value is None else _INT2(2, value)


def int4(value: int | None) -> bytes:
    return NULL if value is None else _INT4(4, value)


def timestamptz(at: datetime | None) -> bytes:
    return NULL if at is None else _INT8(8, microseconds(at))


def text(value: str | None) -> bytes:
    return NULL if value is None else sized(value.encode())


def jsonb(json: bytes | None) -> bytes:
    # The first byte is the version of the format.
    return NULL if json is None else _LENGTH(len(json) + 1) + b"\x01" + json


def sized(value: bytes) -> bytes:
    return _LENGTH(len(value)) + value


def microseconds(at: datetime) -> int:
    """An instant as PostgreSQL counts it, from the year 2000. A third of the time of dividing by a timedelta."""
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def days(day: date) -> int:
    """A date as PostgreSQL counts it, from the year 2000."""
    return day.toordinal() - _EPOCH_DAY


def copy_rows(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[bytes]) -> None:
    """Run a binary COPY … FROM STDIN, which SQLAlchemy lacks, and raise SQLAlchemy's errors.

    Args:
        connection: to PostgreSQL.
        table: a constant of the code, never a client's text.
        columns: constants too.
        rows: each packed: the number of columns as two bytes, then each value as above.

    Raises:
        OverflowError: a number does not fit its column.
    """
    driver: Any = connection.connection.driver_connection
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)"
    try:
        packed = b"".join((_HEADER, *rows, _TRAILER))
    except struct.error as error:
        raise OverflowError(f"{table}: {error}") from None
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(packed)
    except psycopg.Error as error:
        if driver.closed:
            # Otherwise SQLAlchemy would try to roll back on it.
            connection.invalidate()
        # `from None`, because the driver's error quotes the row.
        raise DBAPIError.instance(
            statement,
            None,
            _root_of(error),
            psycopg.Error,
            hide_parameters=True,
            connection_invalidated=driver.closed,
            dialect=connection.dialect,
        ) from None


def _root_of(error: psycopg.Error) -> psycopg.Error:
    """Find the first error, not its consequences, such as ending COPY on a closed connection."""
    while isinstance(error.__context__, psycopg.Error) and not error.__suppress_context__:
        error = error.__context__
    return error
