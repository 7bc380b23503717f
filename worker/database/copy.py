"""COPY, the fastest way into a table of PostgreSQL, for rows that meet none that is stored."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError


def copy_rows(connection: Connection, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> None:
    """Run PostgreSQL's COPY … FROM STDIN in its binary form, which SQLAlchemy does not know, with SQLAlchemy's errors.

    Args:
        connection: of PostgreSQL.
        table: our own name, never a client's.
        columns: likewise, with the type that each value is sent as; what is sent as `bytea`, such as the 16 bytes of a
            UUID, arrives as it is.
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
            # Or SQLAlchemy would try to roll back on it.
            connection.invalidate()
        # Without the context: a driver's error quotes the row.
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
    """What went wrong, and not what followed from it, such as ending COPY on a connection that was given up."""
    while isinstance(error.__context__, psycopg.Error) and not error.__suppress_context__:
        error = error.__context__
    return error
