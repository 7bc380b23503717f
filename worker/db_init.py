"""Bring the schema up, from any number of processes at once, and say what that took.

Run as `python -m worker.db_init`; `zik init` and the task `bootstrap_schema` do the same.
"""

import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from worker.crash import Point, arm, pass_by
from worker.database import lift_time_limits, open_engine, transaction, write_ahead
from worker.errors import DatabaseMisusedError, DatabaseUnavailableError, ZikError
from worker.models import Base
from worker.settings import load_settings, without_password

# Any constant will do, as long as every process of every release takes the same one.
_ADVISORY_LOCK: Final = 0x7A696B01


class Outcome(StrEnum):
    CREATED = "created"
    UPGRADED = "upgraded"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Bootstrap:
    """What bringing the schema up came to. `revision` is the schema's version now."""

    outcome: Outcome
    revision: str
    was: str | None
    tables: int

    def __str__(self) -> str:
        match self.outcome:
            case Outcome.CREATED:
                return f"created {self.tables} tables, schema {self.revision}"
            case Outcome.UPGRADED:
                return f"upgraded the schema from {self.was} to {self.revision}"
            case Outcome.UNCHANGED:
                return f"nothing to do, schema {self.revision} is in place"


def newest_revision() -> str:
    """The schema that this code is written for."""
    return ScriptDirectory.from_config(_alembic()).get_current_head() or ""


def _known_revisions() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions()}


def current_revision(connection: Connection) -> str | None:
    """The schema that the database has, or None where zik has never been set up."""
    return MigrationContext.configure(connection).get_current_revision()


def bring_up_schema(engine: Engine) -> Bootstrap:
    """Create or upgrade the schema in one transaction, under a lock that makes other bootstraps wait.

    Existing tables and rows are left alone. Killed midway, it leaves the database as it was.

    Raises:
        DatabaseUnavailableError: try again later; another bootstrap may hold the lock.
        DatabaseMisusedError: the role may not create tables.
    """
    _prepare_file(engine)
    with transaction(engine) as session:
        connection = session.connection()
        if engine.dialect.name == "postgresql":
            lift_time_limits(connection, lock_timeout_s=60)
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        return _bring_up(connection)


def _bring_up(connection: Connection) -> Bootstrap:
    was, newest = current_revision(connection), newest_revision()
    before = set(inspect(connection).get_table_names())
    if was is not None and was not in _known_revisions():
        raise DatabaseMisusedError(
            f"the database has schema {was}, which this version of zik (schema {newest}) does not know: upgrade zik"
        )
    if was == newest:
        return Bootstrap(Outcome.UNCHANGED, newest, was, 0)
    config = _alembic(connection)
    if was is None and connection.dialect.name == "sqlite":
        Base.metadata.create_all(connection)
        command.stamp(config, "head")
    elif was is None and (strangers := before & set(Base.metadata.tables)):
        raise DatabaseMisusedError(
            f"the tables {', '.join(sorted(strangers))} are there, but no schema version: if zik made them, say which "
            "with `alembic stamp REVISION`, else give zik a database of its own"
        )
    else:
        command.upgrade(config, "head")
    pass_by(Point.MID_BOOTSTRAP)
    created = set(Base.metadata.tables) - before
    return Bootstrap(Outcome.UPGRADED if was else Outcome.CREATED, newest, was, len(created))


def _alembic(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "worker:migrations")
    config.attributes["connection"] = connection
    return config


def _prepare_file(engine: Engine) -> None:
    """Make the folder of a SQLite file, and set what stays with the file."""
    if engine.dialect.name != "sqlite":
        return
    try:
        Path(engine.url.database or "").parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnavailableError(f"cannot make the folder of {engine.url.database}: {error.strerror}") from None
    write_ahead(engine)


def main() -> int:
    try:
        settings = load_settings()
        arm(settings.zik_crash_at)
        engine = open_engine(settings.database_url)
        print(f"{bring_up_schema(engine)} ({without_password(settings.database_url)})")  # noqa: T201 -- a command's answer
    except ZikError as error:
        print(f"zik: {error}", file=sys.stderr)  # noqa: T201 -- a command's complaint
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
