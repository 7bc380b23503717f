import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.support.events import CANARY
from worker.database.engine import open_engine, snapshot, transaction
from worker.errors import DatabaseMisusedError, DatabaseUnavailableError, RowRefusedError, ZikError
from worker.models import DeadLetter, User


def error_of(engine: Engine, work: Callable[[Session], object]) -> ZikError:
    with pytest.raises(ZikError) as caught, transaction(engine) as session:
        work(session)
    return caught.value


def told_by(error: ZikError) -> str:
    return "\n".join([str(error), repr(error), *traceback.format_exception(error)])


def runs(sql: str, **parameters: object) -> Callable[[Session], object]:
    return lambda session: session.execute(text(sql), parameters)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program that writes to the SQLite file."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


@pytest.fixture
def impatient_sqlite(sqlite: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr("worker.database.engine.LOCK_TIMEOUT_MS", 20)
    engine = open_engine(str(sqlite.url))
    yield engine
    engine.dispose()


# --- Both databases -----------------------------------------------------------------------------


def test_a_row_that_breaks_a_constraint_is_refused(engine: Engine) -> None:
    insert = "INSERT INTO app_users (username) VALUES (:name)"
    error = error_of(engine, runs(f"{insert}, (:name)", name=CANARY))
    assert type(error) is RowRefusedError
    assert CANARY not in told_by(error)


def test_a_row_with_a_dangling_reference_is_refused(engine: Engine) -> None:
    insert = "INSERT INTO stale_histories (user_id, mark) VALUES (1, :mark)"
    assert type(error_of(engine, runs(insert, mark="0" * 32))) is RowRefusedError


def test_a_null_in_a_required_column_is_refused(engine: Engine) -> None:
    assert type(error_of(engine, runs("INSERT INTO app_users (email) VALUES ('x')"))) is RowRefusedError


@pytest.mark.parametrize("sql", ["SELECT :x FROM nowhere", "SELECT nothing, :x FROM app_users", "SELEKT :x"])
def test_a_mismatched_schema_is_an_operator_error(engine: Engine, sql: str) -> None:
    error = error_of(engine, runs(sql, x=CANARY))
    assert type(error) is DatabaseMisusedError
    assert "zik init" in str(error)
    assert CANARY not in told_by(error)


@pytest.mark.parametrize(
    ("attempts", "detail"),
    [pytest.param(1, "\ud800", id="I11-lone-surrogate"), pytest.param(2**70, "", id="I13-2**70")],
)
def test_a_value_the_driver_cannot_encode_refuses_the_row(engine: Engine, attempts: int, detail: str) -> None:
    row = DeadLetter(entry_id="1-0", reason="r", payload=CANARY.encode(), attempts=attempts, detail=detail)
    error = error_of(engine, row.save)
    assert type(error) is RowRefusedError
    assert CANARY not in told_by(error)


def test_a_naive_time_refuses_the_row(engine: Engine) -> None:
    user = User(username=CANARY, created_at=datetime(2021, 4, 22))  # noqa: DTZ001 -- the mistake is the point
    error = error_of(engine, user.save)
    assert type(error) is RowRefusedError
    assert CANARY not in told_by(error)


def test_too_many_parameters_are_not_an_outage(engine: Engine) -> None:
    mark, many = ("?", 300_000) if engine.dialect.name == "sqlite" else ("%s", 66_000)
    sql = f"SELECT {','.join([mark] * many)}"
    error = error_of(engine, lambda session: session.connection().exec_driver_sql(sql, (CANARY,) * many))
    assert type(error) is DatabaseMisusedError
    assert CANARY not in told_by(error)


def test_a_transaction_commits_when_its_block_succeeds(engine: Engine) -> None:
    with transaction(engine) as session:
        session.add(User(username="ada"))
    with snapshot(engine) as session:
        assert session.scalar(text("SELECT count(*) FROM app_users")) == 1


def test_a_transaction_rolls_back_when_its_block_fails(engine: Engine) -> None:
    def fail(session: Session) -> None:
        User(username="ada").save(session)
        raise LookupError

    with pytest.raises(LookupError), transaction(engine) as session:
        fail(session)
    with snapshot(engine) as session:
        assert session.scalar(text("SELECT count(*) FROM app_users")) == 0


# --- PostgreSQL ---------------------------------------------------------------------------------

CLASSES = {
    DatabaseUnavailableError: (
        "08006 40001 40P01 53100 53200 53300 57014 57P01 57P02 57P03 58030 XX000 25006 25P03 28P01 3D000 55P03"
    ),
    DatabaseMisusedError: "42P01 42703 42501 42601 3F000 P0001 0A000",
    RowRefusedError: "22001 22003 22007 22P02 22P05 23502 23503 23505 23514",
}


@pytest.mark.parametrize(
    ("code", "meaning"), [(code, meaning) for meaning, codes in CLASSES.items() for code in codes.split()]
)
def test_a_sqlstate_decides_the_error_and_its_message_is_hidden(
    postgres: Engine, code: str, meaning: type[ZikError]
) -> None:
    told = f"'Key ({CANARY}) exists' USING ERRCODE = '{code}', DETAIL = '{CANARY}'"
    raising = f"DO $$ BEGIN RAISE EXCEPTION {told}; END $$"
    error = error_of(postgres, lambda session: session.connection().exec_driver_sql(raising))
    assert type(error) is meaning
    assert code in str(error)
    assert CANARY not in str(error)


def test_a_refusal_names_the_constraint(postgres: Engine) -> None:
    error = error_of(postgres, runs("INSERT INTO app_users (username) VALUES ('a'), ('a')"))
    assert "uq_app_users_username" in str(error)


def test_f14_a_refused_connection_is_an_outage_without_password() -> None:
    engine = open_engine("postgresql+psycopg://ada:hush@127.0.0.1:1/zik")
    error = error_of(engine, runs("SELECT 1"))
    engine.dispose()
    assert type(error) is DatabaseUnavailableError
    assert "hush" not in told_by(error)
    assert "\n" not in str(error)


def test_f14_a_connection_lost_midway_is_an_outage(postgres: Engine) -> None:
    def lose_it(session: Session) -> None:
        pid = session.scalar(text("SELECT pg_backend_pid()"))
        with postgres.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        session.execute(text("SELECT 1"))

    assert type(error_of(postgres, lose_it)) is DatabaseUnavailableError


def test_f17_a_lock_that_is_not_granted_in_time_is_an_outage(postgres: Engine) -> None:
    with transaction(postgres) as holder:
        holder.execute(text("LOCK TABLE songs IN ACCESS EXCLUSIVE MODE"))

        def wait(session: Session) -> None:
            session.execute(text("SET LOCAL lock_timeout = '20ms'"))
            session.execute(text("SELECT * FROM songs"))

        error = error_of(postgres, wait)
    assert type(error) is DatabaseUnavailableError
    assert "55P03" in str(error)


def test_f17_a_statement_that_takes_too_long_is_an_outage(postgres: Engine) -> None:
    def dawdle(session: Session) -> None:
        session.execute(text("SET LOCAL statement_timeout = '20ms'"))
        session.execute(text("SELECT pg_sleep(60)"))

    error = error_of(postgres, dawdle)
    assert type(error) is DatabaseUnavailableError
    assert "57014" in str(error)


def test_f18_a_read_only_database_is_an_outage(postgres: Engine) -> None:
    def write(session: Session) -> None:
        session.execute(text("SET TRANSACTION READ ONLY"))
        session.execute(text("INSERT INTO app_users (username) VALUES ('ada')"))

    assert type(error_of(postgres, write)) is DatabaseUnavailableError


def test_i10_a_nul_in_json_refuses_the_row(postgres: Engine) -> None:
    error = error_of(postgres, runs("SELECT CAST(:x AS jsonb)", x=f'"{CANARY}\\u0000"'))
    assert type(error) is RowRefusedError
    assert CANARY not in told_by(error)


def test_every_transaction_has_its_time_limits_and_uses_utc(postgres: Engine) -> None:
    with transaction(postgres) as session:
        shown = [session.scalar(text(f"SHOW {name}")) for name in ("statement_timeout", "lock_timeout", "timezone")]
    assert shown == ["15s", "5s", "UTC"]


# --- SQLite -------------------------------------------------------------------------------------


def test_a_locked_sqlite_file_is_an_outage(impatient_sqlite: Engine) -> None:
    with locked(Path(str(impatient_sqlite.url.database))):
        error = error_of(impatient_sqlite, runs("SELECT 1"))
    assert type(error) is DatabaseUnavailableError


def test_a_snapshot_of_a_sqlite_file_waits_for_no_writer(impatient_sqlite: Engine) -> None:
    with locked(Path(str(impatient_sqlite.url.database))), snapshot(impatient_sqlite) as session:
        assert session.scalar(text("SELECT count(*) FROM app_users")) == 0


def test_a_sqlite_file_that_cannot_be_opened_is_an_outage(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'no folder' / 'zik.db'}")
    assert type(error_of(engine, runs("SELECT 1"))) is DatabaseUnavailableError


def test_a_file_that_is_no_database_is_an_operator_error(tmp_path: Path) -> None:
    path = tmp_path / "zik.db"
    path.write_bytes(b"This is a letter, and a long one at that. " * 30)
    engine = open_engine(f"sqlite:///{path}")
    assert type(error_of(engine, runs("SELECT 1"))) is DatabaseMisusedError
    engine.dispose()


def test_a_statement_with_too_few_values_is_a_misuse(sqlite: Engine) -> None:
    error = error_of(sqlite, lambda session: session.connection().exec_driver_sql("SELECT ?, ?", ("x",)))
    assert type(error) is DatabaseMisusedError
