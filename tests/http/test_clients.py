"""From a laptop's outbox through `zik serve` into rows: every event once, whoever is killed in between."""

from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from tests.support.clients import ErrorRecorder
from tests.support.processes import Process, eventually, running, url_of
from tests.support.servers import Valkey, own_valkey
from worker.client import Client
from worker.database.engine import snapshot
from worker.drain.drain import Drain
from worker.errors import EventDroppedError, StreamUnavailableError
from worker.local.valkey import free_port
from worker.operations import tokens
from worker.operations.tokens import Scope
from worker.stream.consumer import EventStream

# Restarts of two servers on a loaded machine.
FLUSH_S = 60.0


@pytest.fixture
def token(sqlite: Engine) -> str:
    return tokens.create(sqlite, "ada", name="laptop", scopes=[Scope.SUBMIT])


def play(client: Client, number: int, user: str = "ada") -> str:
    return client.play(user=user, artist="Tool", title=f"Title {number}", ms_played=180_000)


def recorded_ids(engine: Engine) -> list[UUID]:
    with snapshot(engine) as session:
        return [UUID(row[0]) for row in session.execute(text("SELECT CAST(id AS text) FROM play_history"))]


def drained(valkey: Valkey, engine: Engine) -> None:
    stream = EventStream.at(valkey.url)
    Drain(stream, engine, "a").run()
    books = stream.books()
    stream.close()
    assert (books.recorded, books.dead, books.waiting) == (3_000, 0, 0)


def await_sent(client: Client, number: int) -> None:
    eventually(lambda: client.counters.sent >= number, within_s=FLUSH_S, told=lambda: client.counters)


def test_every_event_becomes_a_row_once_while_both_servers_are_killed(
    tmp_path: Path, sqlite: Engine, token: str
) -> None:
    port, recorder = free_port(), ErrorRecorder()
    command = ["worker", "serve", "--port", str(port)]
    with own_valkey(tmp_path / "valkey") as valkey, ExitStack() as servers:

        def serve() -> Process:
            environment = {"REDIS_URL": valkey.url, "DATABASE_URL": url_of(sqlite)}
            return servers.enter_context(running(command, folder=tmp_path, **environment))

        with Client(
            f"http://127.0.0.1:{port}", token=token, outbox=tmp_path / "plays.outbox", on_error=recorder
        ) as client:
            # Nobody serves yet.
            ids = [play(client, number) for number in range(500)]
            server = serve()
            await_sent(client, 200)
            ids += [play(client, number) for number in range(500, 1_500)]
            server.kill()
            ids += [play(client, number) for number in range(1_500, 2_000)]
            serve()
            await_sent(client, 1_000)
            ids += [play(client, number) for number in range(2_000, 3_000)]
            valkey.kill()
            bobs = [play(client, number, user="bob") for number in range(3)]
            valkey.start()
            assert client.flush(FLUSH_S)
            assert (client.counters.sent, client.counters.refused) == (3_000, 3)
        drained(valkey, sqlite)
    assert sorted(recorded_ids(sqlite)) == sorted(map(UUID, ids))
    refused = [error for error in recorder.errors if isinstance(error, EventDroppedError)]
    assert [event_id for error in refused for event_id in error.event_ids] == bobs
    assert all("wrong_user: user: must be the token's" in str(error) for error in refused)
    assert set(recorder.types) == {StreamUnavailableError, EventDroppedError}
