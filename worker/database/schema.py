"""Bring the schema up, from any number of processes at once."""

import logging
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine, inspect, text
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_exponential, wait_random

from worker.database.engine import transaction, without_statement_timeout, write_ahead
from worker.database.grants import grant_to_http_role
from worker.database.locks import AdvisoryLock, is_locked, take
from worker.errors import DatabaseMisusedError, DatabaseUnavailableError
from worker.failpoints import Point, hit
from worker.models import Base

if TYPE_CHECKING:
    from alembic.config import Config

logger = logging.getLogger(__name__)

_VERSIONS: Final = Path(__file__).resolve().parent.parent / "migrations" / "versions"
_VERSION_TABLE: Final = "alembic_version"
_GIVE_UP_S: Final = 60.0
# Between two attempts at the table locks, recorders catch up on what they had to wait with.
_PAUSE: Final = wait_exponential(multiplier=1, max=8) + wait_random(0, 1)


class BootstrapOutcome(StrEnum):
    CREATED = "created"
    UPGRADED = "upgraded"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Bootstrap:
    """The result of bringing the schema up. `revision` is the schema's version now, `was` the one before."""

    outcome: BootstrapOutcome
    revision: str
    was: str | None
    tables: int

    def __str__(self) -> str:
        match self.outcome:
            case BootstrapOutcome.CREATED:
                return f"created {self.tables} tables, schema {self.revision}"
            case BootstrapOutcome.UPGRADED:
                return f"upgraded the schema from {self.was} to {self.revision}"
            case BootstrapOutcome.UNCHANGED:
                return f"nothing to do, schema {self.revision} is in place"


def newest_revision() -> str:
    """The schema revision that this code needs."""
    return max(_known_revisions())


def _known_revisions() -> set[str]:
    # By their names: alembic takes 10 MB, and most processes need no more of it than this.
    return {module.name.partition("_")[0] for module in iter_modules([str(_VERSIONS)])}


def current_revision(connection: Connection) -> str | None:
    """The schema revision of the database; None if zik has never been set up in it."""
    if not inspect(connection).has_table(_VERSION_TABLE):
        return None
    revision: str | None = connection.scalar(text(f"SELECT version_num FROM {_VERSION_TABLE}"))  # noqa: S608 -- our own name
    return revision


def bring_up_schema(engine: Engine, *, give_up_s: float = _GIVE_UP_S) -> Bootstrap:
    """Create or upgrade the schema in one transaction, under a lock that makes other bootstraps wait.

    Existing tables and rows are left alone. Killed midway, it leaves the database as it was. If another transaction
    holds a table, it releases everything after two seconds, so that no query queues behind it for longer, and retries
    for `give_up_s`.

    Raises:
        DatabaseUnavailableError: try again later; another transaction or bootstrap may hold the lock.
        DatabaseMisusedError: the role may not create tables.
    """
    _prepare_file(engine)
    attempts = Retrying(
        retry=retry_if_exception(is_locked),
        stop=stop_after_delay(give_up_s),
        wait=_PAUSE,
        before_sleep=_log_retry,
        reraise=True,
    )
    try:
        return attempts(_attempt, engine)
    except DatabaseUnavailableError as error:
        if engine.dialect.name == "postgresql" and error.is_locked:
            raise DatabaseUnavailableError(error.found, way_out=_HOW_TO_UNLOCK, is_locked=True) from None
        raise


_HOW_TO_UNLOCK: Final = (
    "other transactions have locked zik's tables for over a minute, and nothing was changed. Find them with "
    "`SELECT pid, usename, xact_start, query FROM pg_stat_activity WHERE xact_start IS NOT NULL ORDER BY xact_start`; "
    "wait for them, or end them with `SELECT pg_terminate_backend(pid)`; then run `zik init` again"
)


def _log_retry(state: RetryCallState) -> None:
    logger.warning(
        "another transaction locks a table of zik: nothing was changed, retrying in %.0f s", state.upcoming_sleep
    )


def _attempt(engine: Engine) -> Bootstrap:
    with transaction(without_statement_timeout(engine)) as session:
        connection = session.connection()
        # Without a statement timeout, because only another bootstrap can be ahead in this queue.
        take(connection, AdvisoryLock.BRING_UP_SCHEMA)
        done = _bring_up(connection)
        grant_to_http_role(connection)
        return done


def _bring_up(connection: Connection) -> Bootstrap:
    was, newest = current_revision(connection), newest_revision()
    if was is not None and was not in _known_revisions():
        raise DatabaseMisusedError(
            f"the database has schema {was}, newer than this version of zik (schema {newest})", way_out="upgrade zik"
        )
    if was == newest:
        return Bootstrap(BootstrapOutcome.UNCHANGED, newest, was, 0)
    from alembic import command  # noqa: PLC0415 -- see `_known_revisions`

    config = _alembic(connection)
    before = set(inspect(connection).get_table_names())
    if was is None and connection.dialect.name == "sqlite":
        Base.metadata.create_all(connection)
        command.stamp(config, "head")
    elif was is None and (unknown := before & set(Base.metadata.tables)):
        raise DatabaseMisusedError(
            f"the tables {', '.join(sorted(unknown))} exist, but no schema version",
            way_out="if zik made them, record the version with `alembic stamp REVISION`, else give zik a database",
        )
    else:
        command.upgrade(config, "head")
    hit(Point.MID_BOOTSTRAP)
    created = set(Base.metadata.tables) - before
    return Bootstrap(BootstrapOutcome.UPGRADED if was else BootstrapOutcome.CREATED, newest, was, len(created))


def _alembic(connection: Connection | None = None) -> "Config":
    from alembic.config import Config  # noqa: PLC0415 -- see `_known_revisions`

    config = Config()
    config.set_main_option("script_location", "worker:migrations")
    config.attributes["connection"] = connection
    return config


def _prepare_file(engine: Engine) -> None:
    """Create the folder of a SQLite file, and set the options that the file keeps."""
    if engine.dialect.name != "sqlite":
        return
    try:
        Path(engine.url.database or "").parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnavailableError(f"cannot create the folder of {engine.url.database}: {error.strerror}") from None
    write_ahead(engine)
