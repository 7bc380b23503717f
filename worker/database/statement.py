"""Send many rows in one statement and one parameter, with the same SQL for both databases.

The rows travel as one JSON text, which the database unfolds into a table: a handful of statements whatever the batch
size, and no limit of 65,535 parameters.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from pydantic_core import to_json
from sqlalchemy import Connection, TextClause, text

# Types are PostgreSQL's. SQLite only needs to know which columns stay JSON.
Columns = Mapping[str, str]

_DIALECT: Final = {
    "postgresql": {"merged": "excluded.attributes || songs.attributes", "for_update": "FOR UPDATE OF stored"},
    "sqlite": {"merged": "json_patch(excluded.attributes, songs.attributes)", "for_update": ""},
}


class Statement:
    """One SQL statement for both databases.

    In its text `{rows}` is replaced by the table of unfolded rows, `{merged}` and `{for_update}` by what the dialects
    spell differently. Sort the rows by their key with ORDER BY: two transactions that write the same rows in different
    orders deadlock, even with DO NOTHING.
    """

    def __init__(self, sql: str, columns: Columns) -> None:
        self._sql = sql
        self._columns = dict(columns)
        self._compiled = cache(self._for)

    def run(self, connection: Connection, rows: Iterable[Mapping[str, Any]], **parameters: Any) -> Sequence[Any]:
        """Execute with `rows`; absent keys are null. Returns the rows that the statement returns, if any."""
        result = connection.execute(self._compiled(connection.dialect.name), {**self._given(rows), **parameters})
        return result.all() if result.returns_rows else []

    def bound(self, connection: Connection, rows: Iterable[Mapping[str, Any]] = (), **parameters: Any) -> TextClause:
        """The statement with its rows bound, for use inside another one."""
        return self._compiled(connection.dialect.name).bindparams(**self._given(rows), **parameters)

    def _given(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        return {"rows": _as_text(rows)} if self._columns else {}

    def _for(self, dialect: str) -> TextClause:
        source = self._postgresql_source() if dialect == "postgresql" else self._sqlite_source()
        return text(self._sql.format(rows=source, **_DIALECT[dialect]))

    def _postgresql_source(self) -> str:
        columns = ", ".join(f"{name} {kind}" for name, kind in self._columns.items())
        return f"json_to_recordset(CAST(:rows AS json)) AS incoming ({columns})"

    def _sqlite_source(self) -> str:
        # `->>` converts a JSON value to an SQL one; `->` keeps it JSON, and nullif() turns JSON null into SQL null.
        columns = ", ".join(
            f"nullif(value -> '$.{name}', 'null') AS {name}" if kind == "jsonb" else f"value ->> '$.{name}' AS {name}"
            for name, kind in self._columns.items()
        )
        return f"(SELECT {columns} FROM json_each(:rows)) AS incoming"  # noqa: S608 -- our own column names


def _as_text(rows: Iterable[Mapping[str, Any]]) -> str:
    return to_json(list(rows)).decode()


def instant(at: datetime) -> str:
    """Write an aware UTC datetime as both databases read it; PostgreSQL's session timezone is UTC."""
    return at.replace(tzinfo=None).isoformat(" ", "microseconds")


def reported(at: datetime) -> dict[str, str]:
    """The extra column of a row with a corrected time. Most rows have none and omit it."""
    return {"reported_at": instant(at)}


def read_instant(value: datetime | str) -> datetime:
    """Convert a raw SELECT value to an aware datetime: SQLite returns text, PostgreSQL a datetime."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
