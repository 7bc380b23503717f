"""The running server under pressure: servers that fail behind it, and clients that misbehave in front of it."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psutil
import pytest
import redis
from sqlalchemy import Engine
from urllib3 import HTTPResponse, PoolManager

from tests.support.processes import Process, eventually, full, running, url_of
from tests.support.proxy import proxied
from tests.support.servers import Valkey, own_valkey
from worker.local.http_server import answers
from worker.local.valkey import free_port
from worker.operations import tokens
from worker.operations.tokens import Scope
from worker.stream.consumer import EventStream

# Redis is given up after five seconds; the rest is for a loaded machine.
GIVEN_UP_S: Final = 8.0
HEADERS_WITHIN_S: Final = 10.0
LISTEN: Final = {"listened_at": 1_700_000_000, "track_metadata": {"artist_name": "Tool", "track_name": "Parabola"}}
BODY: Final = json.dumps({"listen_type": "single", "payload": [LISTEN]}).encode()
EVENT: Final = json.dumps(
    {"type": "play", "time": "2023-11-14T22:13:20Z", "user": "ada", "song": {"artist": "Tool", "title": "Parabola"}}
).encode()


class Running:
    """A running `zik serve`, and ada's token for it."""

    def __init__(self, port: int, token: str, redis_url: str, process: Process) -> None:
        self.port, self.token, self.redis_url, self.process = port, token, redis_url, process
        self._pool = PoolManager(retries=False, timeout=30)

    def post(self, path: str = "/1/submit-listens", body: bytes = BODY, *, token: str | None = None) -> Any:
        headers = {"Authorization": f"Token {token or self.token}"}
        return self._pool.request("POST", f"http://127.0.0.1:{self.port}{path}", body=body, headers=headers)

    def waiting(self) -> int:
        with EventStream.opened(self.redis_url) as stream:
            return stream.books().waiting

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


@contextmanager
def serving(folder: Path, redis_url: str, database_url: str, token: str) -> Iterator[Running]:
    port = free_port()
    environment = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "ZIK_HTTP_RATE": "0"}
    with running(["worker", "serve", "--port", str(port)], folder=folder, **environment) as process:
        eventually(lambda: answers(f"http://127.0.0.1:{port}"), within_s=30, told=lambda: process.log)
        yield Running(port, token, redis_url, process)
        assert token not in process.log
        assert "Parabola" not in process.log


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with own_valkey(tmp_path / "valkey") as valkey:
        yield valkey


@pytest.fixture
def server(tmp_path: Path, sqlite: Engine, valkey: Valkey) -> Iterator[Running]:
    token = tokens.create(sqlite, "ada", name="x", scopes=[Scope.SUBMIT])
    with serving(tmp_path, valkey.url, url_of(sqlite), token) as server:
        yield server


def assert_come_back_later(answer: HTTPResponse) -> None:
    assert answer.status == 503
    assert json.loads(answer.data)["code"] == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["X-RateLimit-Reset-In"] == answer.headers["Retry-After"]


@contextmanager
def frozen(valkey: Valkey) -> Iterator[None]:
    valkey.freeze()
    try:
        yield
    finally:
        valkey.thaw()


@pytest.mark.parametrize(("path", "body"), [("/1/submit-listens", BODY), ("/v1/events", EVENT)])
def test_a_frozen_redis_is_given_up_and_found_again(server: Running, valkey: Valkey, path: str, body: bytes) -> None:
    assert server.post(path, body).status == 200
    with frozen(valkey):
        began = time.monotonic()
        assert_come_back_later(server.post(path, body))
        assert time.monotonic() - began < GIVEN_UP_S
    eventually(lambda: server.post(path, body).status == 200, within_s=20)


def test_a_killed_redis_is_found_again(server: Running, valkey: Valkey) -> None:
    assert server.post().status == 200
    valkey.kill()
    assert_come_back_later(server.post())
    assert_come_back_later(server.post("/v1/events", EVENT))
    valkey.start()
    eventually(lambda: server.post().status == 200, within_s=20)


def test_a_full_redis_refuses_for_now(server: Running) -> None:
    with redis.Redis.from_url(server.redis_url) as client, full(client):
        answer = server.post()
        assert_come_back_later(answer)
        with server.connect() as health:
            health.sendall(b"GET /v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b" 503 " in health.recv(100)
    eventually(lambda: server.post().status == 200, within_s=20)


def test_what_is_refused_for_now_is_not_there(server: Running) -> None:
    with redis.Redis.from_url(server.redis_url) as client, full(client):
        server.post()
    assert server.waiting() == 0


def test_a_known_token_works_without_a_database(tmp_path: Path, redis_url: str, postgres: Engine) -> None:
    token = tokens.create(postgres, "ada", name="x", scopes=[Scope.SUBMIT])
    other = tokens.create(postgres, "ada", name="y", scopes=[Scope.SUBMIT])
    upstream = Path(str(postgres.url.query["host"])) / ".s.PGSQL.5432"
    with proxied(upstream) as proxy:
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/{postgres.url.database}?sslmode=disable"
        with serving(tmp_path, redis_url, url, token) as server:
            assert server.post().status == 200
            proxy.close()
            assert server.post().status == 200
            assert_come_back_later(server.post(token=other))
            assert server.post().status == 200


def test_silent_connections_keep_nobody_out(server: Running) -> None:
    with ExitStack() as stack:
        for _ in range(1_500):
            stack.enter_context(server.connect())
        began = time.monotonic()
        assert server.post().status == 200
        assert time.monotonic() - began < GIVEN_UP_S


def test_headers_that_never_end_are_cut_off(server: Running) -> None:
    with server.connect() as slow:
        slow.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\n")
        began = time.monotonic()
        with suppress(ConnectionError):
            while slow.recv(4_096):
                pass
        assert time.monotonic() - began < 2 * HEADERS_WITHIN_S


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: gzip",
        "Content-Length: +5",
        "Content-Length: 5, 5\r\nContent-Length : 5",
    ],
)
def test_an_ambiguous_request_smuggles_no_other(server: Running, headers: str) -> None:
    smuggled = f"POST /1/submit-listens HTTP/1.1\r\nHost: x\r\nAuthorization: Token {server.token}\r\n"
    smuggled += f"Content-Length: {len(BODY)}\r\n\r\n"
    with server.connect() as client:
        client.sendall(
            f"POST /v1/events HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n0\r\n\r\n".encode() + smuggled.encode() + BODY
        )
        client.settimeout(3)
        with suppress(TimeoutError, ConnectionError):
            while client.recv(4_096):
                pass
    assert server.waiting() == 0


def test_large_bodies_take_no_more_memory_than_is_allowed(server: Running) -> None:
    before = resident(server.process.pid)
    with ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(server.connect())
            client.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
            with suppress(ConnectionError):
                client.sendall(b" " * 1_000_000)
        assert server.post().status == 200
    assert resident(server.process.pid) - before < 200_000_000


def resident(pid: int) -> int:
    """The memory of a process and its children, in bytes."""
    process = psutil.Process(pid)
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))


def test_requests_under_way_are_answered_before_the_server_ends(server: Running) -> None:
    with server.connect() as client:
        head = f"POST /1/submit-listens HTTP/1.1\r\nHost: x\r\nAuthorization: Token {server.token}\r\n"
        client.sendall(f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY[:10])
        time.sleep(0.3)
        os.kill(server.process.pid, signal.SIGTERM)
        time.sleep(0.3)
        client.sendall(BODY[10:])
        assert b" 200 " in client.recv(4_096)
    server.process.wait()
    assert server.waiting() == 1
