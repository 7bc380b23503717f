"""From usernames to user ids."""

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
    """The ids of these users, who are made if they are new and `create` allows it; else they are absent."""
    rows = [{"username": username} for username in usernames]
    found: dict[str, int] = dict(_FIND.run(connection, rows)) if rows else {}
    missing = [row for row in rows if row["username"] not in found]
    if missing and create:
        _CREATE.run(connection, missing)
        # Asked again instead of RETURNING, which leaves out what another transaction has created meanwhile.
        found.update(_FIND.run(connection, missing))
    return found
