"""Let the role of the HTTP server read and write what it needs, and nothing else, wherever there is that role."""

from typing import Final

from sqlalchemy import Connection, text

from worker.models import (
    AccessToken,
    Base,
    CorrectedPlay,
    LeftOut,
    PendingFeedback,
    PlayHistory,
    StaleDay,
    StaleHistory,
    User,
)

# Of docs/postgresql-roles.sql. PostgreSQL's default privileges know no single tables, so the owner grants them here.
HTTP_ROLE: Final = "zik_door"
_WRITTEN: Final = {
    # Only to lock the row, so that no one erases a user while something of theirs is changed.
    User.__tablename__: "UPDATE (updated_at)",
    PendingFeedback.__tablename__: "INSERT, UPDATE",
    AccessToken.__tablename__: "UPDATE (last_used_at, updated_at)",
    # A listen that its user deletes, and brings back; the triggers keep it, and mark its day.
    PlayHistory.__tablename__: "INSERT, DELETE",
    CorrectedPlay.__tablename__: "INSERT, DELETE",
    StaleDay.__tablename__: "INSERT",
    # What a user leaves out of their statistics; the triggers mark the history.
    LeftOut.__tablename__: "INSERT, DELETE",
    StaleHistory.__tablename__: "INSERT",
}
_MAY_GRANT: Final = text(
    """
    SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)
       AND (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('app_users'))
    """
)


def grant_to_http_role(connection: Connection) -> None:
    """Grant in the caller's transaction. Does nothing without the role, or where the caller does not own the tables."""
    if connection.dialect.name != "postgresql" or not connection.scalar(_MAY_GRANT, {"role": HTTP_ROLE}):
        return
    for table in Base.metadata.sorted_tables:
        rights = ", ".join(filter(None, ("SELECT", _WRITTEN.get(table.name))))
        connection.execute(text(f"GRANT {rights} ON {table.name} TO {HTTP_ROLE}"))
