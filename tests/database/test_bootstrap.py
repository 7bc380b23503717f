import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, inspect, text

from worker import db_init
from worker.database.engine import open_engine, snapshot, transaction
from worker.database.schema import BootstrapOutcome, bring_up_schema, current_revision, newest_revision
from worker.errors import DatabaseMisusedError
from worker.models import Base, User
from worker.settings import load_settings

CHECKOUT = Path(__file__).resolve().parents[2]
TABLES = {*Base.metadata.tables, "alembic_version"}

# Forks fifty bootstraps from one process that has everything imported, and lets them go at the same moment.
FIFTY = """
import os, sys
from sqlalchemy import create_engine
from worker.database.engine import open_engine
from worker.db_init import bring_up_schema
bring_up_schema(create_engine(sys.argv[2]))
open_engine(sys.argv[1])
gate, opened = os.pipe()
children = []
for _ in range(50):
    answers, answer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(opened)
        os.read(gate, 1)
        try:
            told = str(bring_up_schema(open_engine(sys.argv[1])))
        except BaseException as error:
            told = repr(error)
        os.write(answer, told.encode())
        os._exit(0)
    os.close(answer)
    children.append((pid, answers))
os.close(opened)
for pid, answers in children:
    os.waitpid(pid, 0)
    print(os.read(answers, 10_000).decode())
"""


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database in which nobody has been, on both databases."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("empty_postgres_url")
        return url
    return load_settings(database_url=f"sqlite:///{tmp_path / 'folder' / 'zik.db'}").database_url


@pytest.fixture
def empty(empty_url: str) -> Iterator[Engine]:
    engine = open_engine(empty_url)
    yield engine
    engine.dispose()


def tables(engine: Engine) -> set[str]:
    with snapshot(engine) as session:
        return set(inspect(session.connection()).get_table_names())


def run(module: str, url: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DATABASE_URL": url}
    return subprocess.run(
        [sys.executable, "-m", module], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False
    )


def test_an_empty_database_gets_every_table(empty: Engine) -> None:
    done = bring_up_schema(empty)
    assert tables(empty) == TABLES
    assert str(done) == f"created {len(Base.metadata.tables)} tables, schema {newest_revision()}"


def test_the_schema_records_its_revision(empty: Engine) -> None:
    bring_up_schema(empty)
    with snapshot(empty) as session:
        assert current_revision(session.connection()) == newest_revision()


def test_a_second_run_reports_that_nothing_changed(empty: Engine) -> None:
    bring_up_schema(empty)
    again = bring_up_schema(empty)
    assert again.outcome is BootstrapOutcome.UNCHANGED
    assert str(again) == f"nothing to do, schema {newest_revision()} is in place"


def test_rows_and_tables_that_are_there_are_left_alone(empty: Engine) -> None:
    bring_up_schema(empty)
    with transaction(empty) as session:
        session.add(User(username="ada"))
        session.execute(text("CREATE TABLE guests (name TEXT)"))
    bring_up_schema(empty)
    with snapshot(empty) as session:
        assert session.scalar(text("SELECT username FROM app_users")) == "ada"
    assert tables(empty) == TABLES | {"guests"}


def test_tables_of_other_programs_do_not_stop_the_bootstrap(empty_postgres_url: str) -> None:
    engine = open_engine(empty_postgres_url)
    with transaction(engine) as session:
        session.execute(text("CREATE TABLE guests (name TEXT)"))
    assert bring_up_schema(engine).tables == len(Base.metadata.tables)
    engine.dispose()


def test_sqlite_tables_without_a_revision_are_kept_and_stamped(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'zik.db'}")
    with transaction(engine) as session:
        Base.metadata.create_all(session.connection())
        User(username="ada").save(session)
    done = bring_up_schema(engine)
    with snapshot(engine) as session:
        assert current_revision(session.connection()) == newest_revision() == done.revision
        assert session.scalar(text("SELECT count(*) FROM app_users")) == 1
    engine.dispose()


def test_a_sqlite_file_uses_wal_and_checks_foreign_keys(sqlite: Engine) -> None:
    with snapshot(sqlite) as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA foreign_keys")) == 1


def then_dies(work: Callable[..., None]) -> Callable[..., None]:
    def die(*arguments: object) -> None:
        work(*arguments)
        raise KeyboardInterrupt

    return die


def test_f25_a_bootstrap_that_dies_midway_leaves_no_table(empty: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stamp", "upgrade"):
        monkeypatch.setattr(f"alembic.command.{name}", then_dies(getattr(command, name)))
    with pytest.raises(KeyboardInterrupt):
        bring_up_schema(empty)
    assert tables(empty) == set()
    monkeypatch.undo()
    assert bring_up_schema(empty).outcome is BootstrapOutcome.CREATED


def test_f26_a_newer_schema_is_refused_and_left_alone(empty: Engine) -> None:
    bring_up_schema(empty)
    with transaction(empty) as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseMisusedError, match="9999"):
        bring_up_schema(empty)
    with snapshot(empty) as session:
        assert current_revision(session.connection()) == "9999"


def test_f25_fifty_bootstraps_at_once_make_one_schema(empty_url: str, tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", FIFTY, empty_url, f"sqlite:///{tmp_path / 'warm-up.db'}"]
    done = subprocess.run(arguments, cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=100)
    said = Counter(done.stdout.splitlines())
    assert said == {
        f"created {len(Base.metadata.tables)} tables, schema {newest_revision()}": 1,
        f"nothing to do, schema {newest_revision()} is in place": 49,
    }


def test_the_command_reports_what_it_did(empty_url: str) -> None:
    first, second = run("worker.db_init", empty_url), run("worker.db_init", empty_url)
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout.startswith(f"created {len(Base.metadata.tables)} tables, schema ")
    assert second.stdout.startswith("nothing to do, schema ")
    assert first.stderr == second.stderr == ""


@pytest.mark.parametrize(
    ("url", "told"),
    [
        pytest.param("mysql://ada:hush@db/zik", "zik: DATABASE_URL: must begin with", id="I52"),
        pytest.param("postgresql://ada:hush@127.0.0.1:1/zik", "zik: no connection to the database", id="away"),
    ],
)
def test_the_command_fails_on_one_line_that_shows_no_password(
    url: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert db_init.main() == 1
    complaint = capsys.readouterr().err
    assert complaint.startswith(told)
    assert complaint.count("\n") == 1
    assert "hush" not in complaint


def test_a_successful_command_names_its_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'zik.db'}")
    assert db_init.main() == 0
    assert capsys.readouterr().out.endswith(f"(sqlite:///{tmp_path / 'zik.db'})\n")
