"""Every migration: linted for a running PostgreSQL, and taken forth and back with rows in the tables."""

import io
import json
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest
from alembic import command
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Engine, text

from tests.support import brute_force
from tests.support.events import event_id, play, preference
from tests.support.fleet import assert_statistics
from tests.support.processes import ROOT
from tests.support.rollup_rows import RULE, assert_exact, record
from tests.support.year_of_listening import Listening
from worker.database.engine import snapshot, transaction
from worker.database.schema import _alembic, bring_up_schema
from worker.statistics.rollups.sweep import refresh

SQUAWK: Final = Path(sysconfig.get_path("scripts")) / "squawk"
MIGRATIONS: Final = sorted(ScriptDirectory.from_config(_alembic()).walk_revisions(), key=lambda one: one.revision)
# What people have told; everything else is computed from it.
TOLD: Final = ("app_users", "songs", "play_history", "favorites", "preferences")
# What older revisions have no column for.
LOST: Final[Mapping[str, Sequence[str]]] = {"play_history": ("duration_ms",)}
WORKED_OUT: Final = (
    "artist_identity", "album_identity", "reported_at", "updated_at", "is_filed", "twin_identity", "merged_into_id",
    "counts_as_id", "track_id", "legacy_track_id", "legacy_duration_ms", "duration_set_ms",
)  # fmt: skip


def sql_of(script: Script, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the migration would do to a PostgreSQL, as `alembic upgrade --sql` prints it."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@nowhere/zik")
    config = _alembic()
    config.output_buffer = io.StringIO()
    command.upgrade(config, f"{script.down_revision or 'base'}:{script.revision}", sql=True)
    return config.output_buffer.getvalue()


def complaints(sql: str, *, ignored: tuple[str, ...] = ()) -> str:
    head = f"-- squawk-ignore-file {', '.join(ignored)}\n" if ignored else ""
    done = subprocess.run(
        [SQUAWK, "--config", ROOT / ".squawk.toml", "--reporter", "gcc"],
        input=head + sql,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("script", MIGRATIONS, ids=lambda script: script.revision)
def test_squawk_accepts_the_migration(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    ignored = getattr(script.module, "squawk_ignore", ())
    assert complaints(sql_of(script, monkeypatch), ignored=ignored) == ""


@pytest.mark.parametrize("script", MIGRATIONS, ids=lambda script: script.revision)
def test_every_ignored_squawk_rule_is_needed(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    for rule in getattr(script.module, "squawk_ignore", ()):
        assert rule in complaints(sql_of(script, monkeypatch))


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("CREATE INDEX ix ON play_history (source);", "require-concurrent-index-creation"),
        ("ALTER TABLE songs ADD COLUMN mood text NOT NULL;", "adding-required-field"),
        ("ALTER TABLE songs DROP COLUMN album;", "ban-drop-column"),
    ],
)
def test_squawk_reports_unsafe_statements(sql: str, rule: str) -> None:
    limits = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 2000;"
    assert rule in complaints(f"BEGIN; {limits} {sql} COMMIT;")


@pytest.fixture
def migrated(engine: Engine) -> Iterator[Engine]:
    """A database that others use too, whose schema is whole again at the end."""
    yield engine
    bring_up_schema(engine)


def told(engine: Engine) -> dict[str, list[str]]:
    """Every row that people have told, without what is worked out from it."""
    with snapshot(engine) as session:
        return {
            table: sorted(
                str({name: value for name, value in row.items() if name not in (*WORKED_OUT, *LOST.get(table, ()))})
                for row in session.execute(text(f"SELECT * FROM {table}")).mappings()
            )
            for table in TOLD
        }


def downgrade(engine: Engine, revision: str) -> None:
    with transaction(engine) as session:
        command.downgrade(_alembic(session.connection()), revision)


def test_downgrade_and_upgrade_keep_rows_and_statistics(migrated: Engine) -> None:
    record(migrated, *(json.loads(payload) for payload in Listening(5).take(500)))
    refresh(migrated, RULE)
    rows, computed = told(migrated), brute_force.stored(migrated)
    assert all(rows[table] for table in TOLD)
    assert computed.hours
    for _ in range(2):
        downgrade(migrated, "0001")
        assert told(migrated) == rows
        assert bring_up_schema(migrated).was == "0001"
        assert told(migrated) == rows
    refresh(migrated, RULE)
    # Durations and albums of the plays are gone: now those of their songs count.
    assert_exact(migrated)
    assert_statistics(migrated)


def test_changes_during_a_downgrade_are_in_the_statistics_later(migrated: Engine) -> None:
    """From one end of the Earth to the other a play's local day moves by two, and no trigger is there to see it."""
    record(migrated, preference(key="timezone", value="Pacific/Kiritimati", id=event_id(1)))
    record(migrated, *(play(id=event_id(2 + hour), time=f"2021-04-22T{hour:02d}:30:00Z") for hour in range(24)))
    refresh(migrated, RULE)
    downgrade(migrated, "0001")
    with transaction(migrated) as session:
        session.execute(text("UPDATE preferences SET value = '\"Etc/GMT+12\"'"))
    bring_up_schema(migrated)
    assert_statistics(migrated)


def ids_by_user(engine: Engine) -> dict[str, str]:
    with snapshot(engine) as session:
        sql = "SELECT username, replace(CAST(play_history.id AS text), '-', '') FROM play_history JOIN app_users"
        rows = session.execute(text(f"{sql} ON app_users.id = user_id"))
        return {str(name): str(play_id) for name, play_id in rows}


def test_s6_one_id_of_two_users_survives_the_way_back(migrated: Engine) -> None:
    record(migrated, *(play(id=event_id(1), user=name) for name in ("ada", "bob", "eve")))
    own = event_id(1).replace("-", "")
    assert set(ids_by_user(migrated).values()) == {own}
    downgrade(migrated, "0007")
    ids = ids_by_user(migrated)
    assert len(ids) == len(set(ids.values())) == 3
    assert list(ids.values()).count(own) == 1
    bring_up_schema(migrated)
    assert ids_by_user(migrated) == ids
    assert_statistics(migrated)


def test_s6_a_key_that_was_built_before_is_taken_over(postgres: Engine, request: pytest.FixtureRequest) -> None:
    request.addfinalizer(lambda: bring_up_schema(postgres))
    downgrade(postgres, "0007")
    with postgres.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        index = "CREATE UNIQUE INDEX CONCURRENTLY ix_play_history_id_user_id ON play_history (id, user_id)"
        connection.execute(text(index))
        was = connection.scalar(text("SELECT oid FROM pg_class WHERE relname = 'ix_play_history_id_user_id'"))
    bring_up_schema(postgres)
    with snapshot(postgres) as session:
        assert session.scalar(text("SELECT oid FROM pg_class WHERE relname = 'pk_play_history'")) == was
