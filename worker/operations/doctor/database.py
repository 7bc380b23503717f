"""Check the database, its schema and the dead letters."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from worker.database.engine import snapshot
from worker.database.schema import current_revision, newest_revision
from worker.errors import ZikError
from worker.escaping import printable
from worker.operations import dead_letters
from worker.operations.doctor.finding import Finding
from worker.operations.songs import LATEST, implausible
from worker.operations.token_use import count_by_last_use, count_unused
from worker.statistics import misnamed_timezones

_NAME_OF: Final = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
_VERSION_OF: Final = {"postgresql": "SHOW server_version", "sqlite": "SELECT sqlite_version()"}
_FULL_ENOUGH: Final = 0.8
_MOST_USERS: Final = 5
_UNUSED: Final = timedelta(days=90)
# Without the indexes that are being built now: they are not valid yet. A build that this role may not see hides its
# index too.
_INVALID_INDEXES: Final = text(
    """
    SELECT i.indexrelid::regclass::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
     WHERE NOT i.indisvalid AND c.relkind = 'i' AND pg_table_is_visible(i.indrelid)
       AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS build
                        WHERE build.datname = current_database()
                          AND coalesce(build.index_relid, i.indexrelid) = i.indexrelid)
     ORDER BY 1
    """
)


def database_findings(engine: Engine) -> Iterator[Finding]:
    dialect = engine.dialect.name
    try:
        with snapshot(engine) as session:
            version = session.scalar(text(_VERSION_OF[dialect]))
            yield Finding("Database", f"{_NAME_OF[dialect]} {version}")
            if dialect == "postgresql":
                yield _role_of_server(session)
                yield _durability(session)
                yield _connections(session)
                yield _indexes(session)
            revision = current_revision(session.connection())
            yield _schema(revision)
        if revision:
            yield _letters(engine)
        if revision == newest_revision():
            yield _timezones(engine)
            yield _durations(engine)
            yield _tokens(engine)
    except ZikError as error:
        yield Finding("Database", error.found, error.way_out or "start it, or correct DATABASE_URL")


def _role_of_server(session: Session) -> Finding:
    if session.scalar(text("SELECT pg_is_in_recovery()")):
        return Finding("Database role", "a standby, read-only", "point DATABASE_URL at the primary")
    return Finding("Database role", "primary")


def _durability(session: Session) -> Finding:
    settings = {name: session.scalar(text(f"SHOW {name}")) for name in ("fsync", "synchronous_commit")}
    found = ", ".join(f"{name} {value}" for name, value in settings.items())
    advice = "set both to on: an entry leaves the stream after COMMIT, so COMMIT must have reached the disk"
    return Finding("Durability", found, advice if "off" in settings.values() else "")


def _connections(session: Session) -> Finding:
    used = session.scalar(text("SELECT sum(numbackends) FROM pg_stat_database")) or 0
    most = int(session.scalar(text("SHOW max_connections")) or 0)
    advice = (
        "raise `max_connections`, run fewer workers, or put pgbouncer between" if used > _FULL_ENOUGH * most else ""
    )
    return Finding("Connections", f"{used:,} of {most:,} used", advice)


def _indexes(session: Session) -> Finding:
    """A `CREATE INDEX CONCURRENTLY` that failed leaves an index behind that costs each write and serves no query."""
    invalid = session.scalars(_INVALID_INDEXES).all()
    if not invalid:
        return Finding("Indexes", "all valid")
    drops = " ".join(f"DROP INDEX CONCURRENTLY {name};" for name in invalid)
    advice = f"as the owner of the schema: {drops} then repeat the CREATE INDEX CONCURRENTLY that failed"
    return Finding("Indexes", f"invalid: {', '.join(invalid)}", advice)


def _schema(revision: str | None) -> Finding:
    newest = newest_revision()
    if revision == newest:
        return Finding("Schema", revision)
    return Finding("Schema", revision or "none", f"run `zik init` (this zik needs {newest})")


def _letters(engine: Engine) -> Finding:
    """Show the letters without advice: they are no fault of the installation, and `zik dead list` explains them."""
    letters = dead_letters.count_by_reason(engine)
    counts = ", ".join(f"{reason} {count:,}" for reason, count in letters.items())
    return Finding("Dead letters", f"{counts} (zik dead list)" if counts else "none")


def _timezones(engine: Engine) -> Finding:
    """A timezone that is none: the contract refuses it, but an earlier release or SQL may have stored it."""
    with snapshot(engine) as session:
        names = misnamed_timezones(session.connection())
    if not names:
        return Finding("Timezones", "every preference names one")
    shown = ", ".join(printable(name) for name in names[:_MOST_USERS]) + ", …" * (len(names) > _MOST_USERS)
    found = f"{len(names):,} name none, and count in UTC: {shown}"
    return Finding("Timezones", found, "set each: zik user set NAME --timezone Europe/Berlin")


def _durations(engine: Engine) -> Finding:
    """Name songs of a length that none has, without advice: their plays are judged as if no length was told."""
    with snapshot(engine) as session:
        named = [
            f"'{printable(title)}' by '{printable(artist)}'" for artist, title in implausible(session.connection())
        ]
    some = f"no song's length: {', '.join(named)} (zik song show)"
    return Finding("Durations as told", some if named else f"plausible, of the latest {LATEST:,} songs")


def _tokens(engine: Engine) -> Finding:
    """Show the tokens without advice: a player that rests is no fault of the installation."""
    now = datetime.now(UTC)
    found = f"{sum(count_by_last_use(engine, now=now).values()):,}"
    if unused := count_unused(engine, since=now - _UNUSED):
        found += f", {unused:,} of them not used for {_UNUSED.days} days (zik token list)"
    return Finding("Tokens", found)
