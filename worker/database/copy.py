"""Write rows by COPY, the fastest way into a table of PostgreSQL, if none of them is stored yet."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError


def copy_rows(connection: Connection, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> None:
    """Run a binary COPY … FROM STDIN, which SQLAlchemy lacks, and raise SQLAlchemy's errors.

    Args:
        connection: to PostgreSQL.
        table: a constant of the code, never a client's text.
        columns: constants too, with the type that each value is sent as. Bytes sent as `bytea`, such as the 16 bytes of
            a UUID, arrive unchanged.
        rows: values in the order of the columns.
    """
    driver: Any = connection.connection.driver_connection
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)"
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(list(columns.values()))
            for row in rows:
                copy.write_row(row)
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
