"""Resolve usernames to user ids."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import Connection

from worker.database.statement import Statement

_COLUMNS: Final = {"username": "text"}

_CREATE: Final = Statement(
    """
    INSERT INTO app_users (username)
    SELECT username FROM {rows} WHERE true ORDER BY username
    ON CONFLICT (username) DO NOTHING
    """,
    _COLUMNS,
)
_FIND: Final = Statement("SELECT username, id FROM {rows} JOIN app_users USING (username)", _COLUMNS)


def resolve_users(connection: Connection, usernames: Collection[str], *, create: bool) -> dict[str, int]:
    """Return the ids by username. A new user is created if `create` is true, else left out."""
    rows = [{"username": username} for username in usernames]
    found: dict[str, int] = dict(_FIND.run(connection, rows)) if rows else {}
    missing = [row for row in rows if row["username"] not in found]
    if missing and create:
        _CREATE.run(connection, missing)
        # Selected again, because RETURNING leaves out rows that another transaction has created meanwhile.
        found.update(_FIND.run(connection, missing))
    return found
