"""What a server, a database, a role or the environment sets for a session changes nothing that zik stores (S1, S2)."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Any, Final
from uuid import uuid4

import psycopg
import pytest
import redis
from sqlalchemy import Engine, make_url, text

from tests.support.bad_inputs import CORPUS
from tests.support.events import event_id, favorite, payload, preference, song
from tests.support.processes import url_of
from worker.database.engine import opened_engine, snapshot, transaction, without_statement_timeout
from worker.database.schema import bring_up_schema
from worker.drain.drain import Drain
from worker.errors import DatabaseMisusedError
from worker.models import Base
from worker.operations.doctor.database import database_findings
from worker.privacy import export_lines
from worker.settings import load_settings
from worker.statistics.charts import refresh_charts
from worker.statistics.listen_rule import ListenRule
from worker.statistics.rollups.sweep import refresh
from worker.stream.consumer import EventStream
from worker.stream.keys import FIELD, STREAM

ROLE_SETS: Final[Mapping[str, Mapping[str, str]]] = {
    "DateStyle SQL, DMY": {"DateStyle": "SQL, DMY"},
    "DateStyle German": {"DateStyle": "German"},
    "client_encoding LATIN1": {"client_encoding": "LATIN1"},
    "client_encoding SQL_ASCII": {"client_encoding": "SQL_ASCII"},
    "TimeZone Asia/Kathmandu": {"TimeZone": "Asia/Kathmandu"},
    "serializable": {"default_transaction_isolation": "serializable", "default_transaction_deferrable": "on"},
    "how values are written": {
        "IntervalStyle": "sql_standard", "bytea_output": "escape", "standard_conforming_strings": "off",
        "extra_float_digits": "-15", "transform_null_equals": "on", "xmlbinary": "hex", "escape_string_warning": "off",
    },
    "short timeouts": {
        "statement_timeout": "300ms", "lock_timeout": "100ms", "transaction_timeout": "20s",
    },
}  # fmt: skip
ENVIRONMENTS: Final[Mapping[str, Mapping[str, str]]] = {
    "PGCLIENTENCODING": {"PGCLIENTENCODING": "LATIN1"},
    "PGDATESTYLE, PGTZ": {"PGDATESTYLE": "German", "PGTZ": "Asia/Kathmandu"},
    "PGOPTIONS": {"PGOPTIONS": "-c datestyle=German -c intervalstyle=iso_8601 -c client_encoding=LATIN1"},
}
_WHEN_WRITTEN: Final = {"created_at", "updated_at"}


def _words() -> Iterator[bytes]:
    """Favorites and preferences that are said again and again, so that zik reads back the times of the last word."""
    for number in range(40):
        again = {"id": event_id(number), "time": f"2021-04-{1 + number % 12:02d}T05:00:{number:02d}.123456Z"}
        loved = song(title=f"Łódź 夜 {number % 3}", artist="Дельфин")
        yield payload(favorite(**again, song=loved, favorite=bool(number % 2)))
        yield payload(preference(**again, key="mood 気分", value={"now": f"ź {number}", "at": 1.5}))


def _record(redis_url: str, engine: Engine) -> None:
    """Drain the corpus and the words in several batches, under entry ids that are the same each time."""
    payloads = [*(case.payload for case in CORPUS), *_words()]
    with redis.Redis.from_url(redis_url) as valkey, EventStream.opened(redis_url) as stream:
        valkey.flushall()
        for number, event in enumerate(payloads):
            valkey.xadd(STREAM, {FIELD: event}, id=f"{1_700_000_000_000 + number}-1")
        tally = Drain(stream, engine, "a", batch_size=20).run()
        assert (tally.events, stream.books().balanced) == (len(payloads), True)
    assert refresh(engine, ListenRule.configured(load_settings())).finished
    refresh_charts(engine, today=date(2026, 11, 23), closed=True)


def _stored(engine: Engine) -> dict[str, list[Any]]:
    """Every row but for the clock of the server, read by an administrator with a plain session."""
    rows: dict[str, list[Any]] = {}
    url = make_url(url_of(engine)).set(drivername="postgresql", username="postgres", password=None)
    with psycopg.connect(url.render_as_string(hide_password=False), client_encoding="UTF8") as connection:
        for table in Base.metadata.sorted_tables:
            columns = ", ".join(f"{column.name}::text" for column in table.columns if column.name not in _WHEN_WRITTEN)
            found = connection.execute(f"SELECT {columns} FROM {table.name}".encode()).fetchall()
            rows[table.name] = sorted(found, key=str)
    return rows


def _answered(engine: Engine) -> list[bytes]:
    """What zik itself reads of the same rows, but for the clock of the server."""
    with snapshot(engine) as session:
        users = session.scalars(text('SELECT username FROM app_users ORDER BY username COLLATE "C"')).all()
        lines = [line for user in users for line in export_lines(session.connection(), user)]
    return [re.sub(rb'"(since|kept_since)":"[^"]*"', b"", line) for line in lines]


Result = tuple[dict[str, list[Any]], list[bytes]]


def _result(redis_url: str, engine: Engine) -> list[bytes]:
    bring_up_schema(engine)
    _record(redis_url, engine)
    return _answered(engine)


@pytest.fixture
def plain(redis_url: str, postgres: Engine) -> Result:
    """The rows and the answers of a server on which nothing is set."""
    answers = _result(redis_url, postgres)
    return _stored(postgres), answers


@contextmanager
def _role(url: str, sets: Mapping[str, str]) -> Iterator[str]:
    """The URL of a role of its own that owns the database and has these settings."""
    name = f"role_{uuid4().hex}"
    with opened_engine(url) as admin:
        with transaction(admin) as session:
            session.execute(text(f"CREATE ROLE {name} LOGIN"))
            session.execute(text(f"ALTER DATABASE {make_url(url).database} OWNER TO {name}"))
            for setting, value in sets.items():
                session.execute(text(f"ALTER ROLE {name} SET {setting} TO '{value}'"))
        yield make_url(url).set(username=name).render_as_string(hide_password=False)
        with transaction(admin) as session:
            session.execute(text(f"REASSIGN OWNED BY {name} TO postgres"))
            session.execute(text(f"DROP ROLE {name}"))


@pytest.mark.parametrize("sets", ROLE_SETS.values(), ids=ROLE_SETS)
def test_s1_what_a_role_sets_changes_no_row(
    plain: Result, redis_url: str, empty_postgres_url: str, sets: Mapping[str, str]
) -> None:
    with _role(empty_postgres_url, sets) as url, opened_engine(url) as engine:
        answers = _result(redis_url, engine)
        assert (_stored(engine), answers) == plain


@pytest.mark.parametrize("variables", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_s1_what_the_environment_sets_changes_no_row(
    plain: Result,
    redis_url: str,
    empty_postgres_url: str,
    variables: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with opened_engine(empty_postgres_url) as engine:
        with monkeypatch.context() as environment:
            for variable, value in variables.items():
                environment.setenv(variable, value)
            answers = _result(redis_url, engine)
        assert (_stored(engine), answers) == plain


@pytest.mark.parametrize(("work_mem", "granted"), [("4MB", "64MB"), ("96MB", "96MB")])
def test_work_over_whole_tables_has_the_memory_of_maintenance_or_more(
    postgres: Engine, monkeypatch: pytest.MonkeyPatch, work_mem: str, granted: str
) -> None:
    monkeypatch.setenv("PGOPTIONS", f"-c work_mem={work_mem} -c maintenance_work_mem=64MB")
    with opened_engine(url_of(postgres)) as engine:
        with transaction(without_statement_timeout(engine)) as session:
            assert session.scalar(text("SHOW work_mem")) == granted
        with transaction(engine) as session:
            assert session.scalar(text("SHOW work_mem")) == work_mem


# --- the encoding of the database (S2) -----------------------------------------------------------


@pytest.fixture(params=["LATIN1", "SQL_ASCII"])
def misencoded(request: pytest.FixtureRequest, postgres_server: str) -> Iterator[Engine]:
    """A database that cannot hold, or does not check, what UTF-8 can say."""
    name = f"zik_{uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(
            f"CREATE DATABASE {name} ENCODING '{request.param}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'".encode()
        )
        url = make_url(load_settings(database_url=postgres_server).database_url).set(database=name)
        with opened_engine(url.render_as_string(hide_password=False)) as engine:
            yield engine
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_s2_init_refuses_a_database_that_is_not_utf8(misencoded: Engine) -> None:
    with pytest.raises(DatabaseMisusedError, match="ENCODING 'UTF8' TEMPLATE template0") as caught:
        bring_up_schema(misencoded)
    assert "\n" not in str(caught.value)


def test_s2_a_drain_buries_nothing_in_such_a_database(misencoded: Engine, stream: EventStream) -> None:
    stream.append(_words())
    with pytest.raises(DatabaseMisusedError):
        Drain(stream, misencoded, "a").run()
    assert (stream.books().waiting, stream.books().dead) == (80, 0)


def test_s2_the_doctor_names_the_encoding_and_the_way_out(misencoded: Engine) -> None:
    (finding,) = database_findings(misencoded)
    assert not finding.well
    assert str(misencoded.url.database) in finding.found
    assert "ENCODING 'UTF8'" in finding.advice


# --- where the tables are ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sets", "way_out"),
    [({"search_path": "nowhere"}, "correct `search_path`"), ({"role": "pg_monitor"}, "as the owner of the schema")],
    ids=["search_path", "rights"],
)
def test_init_names_what_the_role_lacks(empty_postgres_url: str, sets: Mapping[str, str], way_out: str) -> None:
    with _role(empty_postgres_url, sets) as url, opened_engine(url) as engine:
        with opened_engine(empty_postgres_url) as admin, transaction(admin) as session:
            session.execute(text(f"GRANT pg_monitor TO {make_url(url).username}"))
        with pytest.raises(DatabaseMisusedError) as caught:
            bring_up_schema(engine)
    assert way_out in caught.value.way_out
    assert "run `zik init`, then" not in str(caught.value)
