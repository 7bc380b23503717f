from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, Select, column, inspect, select, text

from worker.database.engine import open_engine, snapshot, transaction
from worker.database.schema import _alembic, newest_revision
from worker.models import Base

# SQLAlchemy reads no index of SQLite that is on an expression, so Alembic compares none. `indexes` does.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index"),
    pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index"),
]
Facts = dict[str, dict[str, Any]]
REVISIONS: Final = sorted(script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions())


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path / 'zik.db'}"
    engine = open_engine(request.getfixturevalue("empty_postgres_url") if request.param == "postgres" else url)
    yield engine
    engine.dispose()


def by_name(facts: Any) -> list[Any]:
    return sorted(facts, key=lambda fact: str(fact["name"]))


def never_reuses_keys(connection: Connection, table: str) -> bool:
    if connection.dialect.name != "sqlite":
        return True
    written: Select[tuple[str]] = (
        select(column("sql")).select_from(text("sqlite_master")).where(column("name") == table)
    )
    return "AUTOINCREMENT" in str(connection.scalar(written))


def indexes(connection: Connection, table: str) -> list[tuple[Any, ...]]:
    """As the database writes them."""
    sqlite = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :name ORDER BY name"
    postgresql = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = :name ORDER BY indexname"
    asked = sqlite if connection.dialect.name == "sqlite" else postgresql
    return [tuple(row) for row in connection.execute(text(asked), {"name": table})]


def triggers(connection: Connection, table: str) -> list[tuple[Any, ...]]:
    """What the table's triggers are and do."""
    sqlite = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :name ORDER BY name"
    postgresql = """
        SELECT tgname, pg_get_triggerdef(pg_trigger.oid), pg_get_functiondef(tgfoid)
          FROM pg_trigger WHERE tgrelid = CAST(:name AS regclass) AND NOT tgisinternal ORDER BY tgname
    """
    asked = sqlite if connection.dialect.name == "sqlite" else postgresql
    return [tuple(row) for row in connection.execute(text(asked), {"name": table})]


def functions(connection: Connection) -> list[Any]:
    if connection.dialect.name == "sqlite":
        return []
    found = connection.execute(text("SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname LIKE 'zik%' ORDER BY 1"))
    return list(found.scalars())


def schema_of(connection: Connection) -> Facts:
    """All that the database itself can tell of zik's tables."""
    inspector = inspect(connection)
    return {
        table: {
            "columns": [
                (column["name"], str(column["type"]), column["nullable"], column["default"])
                for column in by_name(inspector.get_columns(table))
            ],
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": by_name(inspector.get_foreign_keys(table)),
            "unique": by_name(inspector.get_unique_constraints(table)),
            "indexes": indexes(connection, table),
            "checks": by_name(inspector.get_check_constraints(table)),
            "never reuses keys": never_reuses_keys(connection, table),
            "triggers": triggers(connection, table),
        }
        for table in inspector.get_table_names()
        if table in Base.metadata.tables
    }


def by_migrations(engine: Engine, revision: str = "head") -> None:
    with transaction(engine) as session:
        command.upgrade(_alembic(session.connection()), revision)


def test_the_models_and_the_migrations_make_the_same_schema(empty: Engine) -> None:
    with transaction(empty) as session:
        Base.metadata.create_all(session.connection())
        by_models, its_functions = schema_of(session.connection()), functions(session.connection())
        Base.metadata.drop_all(session.connection())
        assert functions(session.connection()) == []
    by_migrations(empty)
    with snapshot(empty) as session:
        assert schema_of(session.connection()) == by_models
        assert functions(session.connection()) == its_functions
    assert by_models.keys() == Base.metadata.tables.keys()


def test_the_newest_revision_by_name_is_the_one_of_alembic() -> None:
    assert newest_revision() == ScriptDirectory.from_config(_alembic()).get_current_head()


def test_alembic_finds_no_difference_after_the_migrations(empty: Engine) -> None:
    by_migrations(empty)
    with snapshot(empty) as session:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(session.connection(), opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_alembic_notices_a_column_that_is_missing(empty: Engine) -> None:
    by_migrations(empty)
    with transaction(empty) as session:
        session.connection().exec_driver_sql("ALTER TABLE app_users DROP COLUMN moods")
        found = compare_metadata(MigrationContext.configure(session.connection()), Base.metadata)
    assert [difference[0] for difference in found] == ["add_column"]


def test_every_migration_can_be_downgraded(empty: Engine) -> None:
    by_migrations(empty)
    with snapshot(empty) as session:
        before = schema_of(session.connection())
    with transaction(empty) as session:
        command.downgrade(_alembic(session.connection()), "base")
        assert schema_of(session.connection()) == {}
        assert functions(session.connection()) == []
    by_migrations(empty)
    with snapshot(empty) as session:
        assert schema_of(session.connection()) == before


@pytest.mark.parametrize(("below", "revision"), list(pairwise(REVISIONS)), ids=lambda revision: revision)
def test_a_downgrade_restores_the_schema_below(empty: Engine, below: str, revision: str) -> None:
    by_migrations(empty, below)
    with snapshot(empty) as session:
        before, its_functions = schema_of(session.connection()), functions(session.connection())
    by_migrations(empty, revision)
    with transaction(empty) as session:
        command.downgrade(_alembic(session.connection()), below)
        assert schema_of(session.connection()) == before
        assert functions(session.connection()) == its_functions


def test_every_foreign_key_cascades(empty: Engine) -> None:
    by_migrations(empty)
    with snapshot(empty) as session:
        foreign_keys = [key for facts in schema_of(session.connection()).values() for key in facts["foreign keys"]]
    assert len(foreign_keys) == 14
    assert {key["options"].get("ondelete") for key in foreign_keys} == {"CASCADE"}
