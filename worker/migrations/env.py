"""Run migrations on the connection that the bootstrap passes, else on the database of DATABASE_URL."""

from alembic import context
from sqlalchemy import Connection

from worker.database.engine import MIGRATION_LOCK_TIMEOUT_MS, open_engine, without_statement_timeout
from worker.models import Base
from worker.settings import load_settings


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # SQLite can change a column only by copying the table.
        render_as_batch=connection.dialect.name == "sqlite",
        compare_server_default=True,
    )
    _migrate()


def _run_offline() -> None:
    context.configure(url=load_settings().database_url, target_metadata=Base.metadata, literal_binds=True)
    _migrate()


def _migrate() -> None:
    with context.begin_transaction():
        if context.get_context().dialect.name == "postgresql":
            # A statement may take long once it holds the lock. Waiting for a lock may not: queries queue behind it.
            context.execute("SET LOCAL statement_timeout = 0")
            context.execute(f"SET LOCAL lock_timeout = {MIGRATION_LOCK_TIMEOUT_MS}")
        context.run_migrations()


def _run_online() -> None:
    given: Connection | None = context.config.attributes.get("connection")
    if given is not None:
        _run(given)
        return
    with without_statement_timeout(open_engine(load_settings().database_url)).begin() as connection:
        _run(connection)


if context.is_offline_mode():
    _run_offline()
else:
    _run_online()
