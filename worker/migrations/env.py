"""How Alembic reaches the database: over the connection that `worker.db_init` hands it, else by DATABASE_URL."""

from alembic import context
from sqlalchemy import Connection

from worker.database import open_engine
from worker.models import Base
from worker.settings import load_settings


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # SQLite changes a column only by copying the table.
        render_as_batch=connection.dialect.name == "sqlite",
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _run_offline() -> None:
    context.configure(url=load_settings().database_url, target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def _run_online() -> None:
    given: Connection | None = context.config.attributes.get("connection")
    if given is not None:
        _run(given)
        return
    with open_engine(load_settings().database_url).begin() as connection:
        _run(connection)


if context.is_offline_mode():
    _run_offline()
else:
    _run_online()
