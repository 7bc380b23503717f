"""Open pages on a running server: what is committed reaches all of them, and they end with their right to look."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import psutil
import pytest
from sqlalchemy import Engine
from urllib3 import PoolManager

from tests.support.pages import form_of
from tests.support.processes import Process, eventually, running, url_of
from tests.support.servers import Valkey, own_valkey
from worker.drain.opening import opened_drain
from worker.http.live import MOST_READERS
from worker.local.http_server import answers
from worker.local.valkey import free_port
from worker.operations import tokens
from worker.operations.tokens import Scope
from worker.settings import load_settings
from worker.stream.inspection import StreamInspector

SCOPES: Final = [Scope.SUBMIT, Scope.READ]
CHANGED: Final = b"data: changed\n\n"


class Page:
    """An open page that listens. `heard` counts what it was told."""

    def __init__(self, port: int, cookie: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.sendall(f"GET /u/ada/events HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n".encode())
        self._read = b""

    def read(self, *, until: bytes) -> bytes:
        """What was sent, up to and with these bytes; less if the server ends the connection before."""
        while until not in self._read and (part := self._socket.recv(65_536)):
            self._read += part
        read, found, self._read = self._read.partition(until)
        return read + found

    def has_ended(self) -> bool:
        """Wait for the last chunk of the answer."""
        return self.read(until=b"0\r\n\r\n").endswith(b"0\r\n\r\n")

    def close(self) -> None:
        self._socket.close()


class Running:
    """A running `zik serve`, and a browser in which ada is signed in."""

    def __init__(self, port: int, engine: Engine, redis_url: str, process: Process) -> None:
        self.port, self.process = port, process
        self._settings = load_settings(redis_url=redis_url, database_url=url_of(engine))
        self._engine = engine
        self._pool = PoolManager(retries=False, timeout=30)
        self.token = tokens.create(engine, "ada", name="x", scopes=SCOPES)
        form = self.request("GET", "/sign-in")
        cookie = form.headers["set-cookie"].partition(";")[0]
        signed_in = self.request("POST", "/sign-in", cookie, form=form_of(form.data.decode()), token=self.token)
        self.cookie = signed_in.headers["set-cookie"].partition(";")[0]

    def request(self, method: str, path: str, cookie: str = "", **fields: str) -> Any:
        url = f"http://127.0.0.1:{self.port}{path}"
        headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        return self._pool.request(method, url, headers=headers, body=urlencode(fields), redirect=False)

    def play(self, second: int) -> None:
        """Publish a play and record it."""
        song = {"artist": "Tool", "title": "Parabola"}
        event = {"type": "play", "time": f"2023-11-14T22:13:{second:02d}Z", "user": "ada", "song": song}
        headers = {"Authorization": f"Token {self.token}"}
        url = f"http://127.0.0.1:{self.port}/v1/events"
        assert self._pool.request("POST", url, body=json.dumps(event).encode(), headers=headers).status == 200
        with opened_drain(self._settings, consumer="test") as drain:
            assert drain.run().events == 1

    def revoke(self) -> None:
        found = tokens.find(self._engine, tokens.digest_of(self.token))
        assert found is not None
        with StreamInspector.opened(self._settings.redis_url) as stream:
            assert tokens.announce_revoked(stream, tokens.revoke(self._engine, [found.id]))

    @contextmanager
    def pages(self, count: int) -> Iterator[list[Page]]:
        """Pages that are open, and up to date."""
        with ExitStack() as stack:
            pages = [Page(self.port, self.cookie) for _ in range(count)]
            for page in pages:
                stack.callback(page.close)
                assert page.read(until=CHANGED).startswith(b"HTTP/1.1 200")
            yield pages


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with own_valkey(tmp_path / "valkey") as valkey:
        yield valkey


@pytest.fixture
def server(tmp_path: Path, sqlite: Engine, valkey: Valkey) -> Iterator[Running]:
    port = free_port()
    environment = {"REDIS_URL": valkey.url, "DATABASE_URL": url_of(sqlite)}
    with running(["worker", "serve", "--port", str(port)], folder=tmp_path, **environment) as process:
        eventually(lambda: answers(f"http://127.0.0.1:{port}"), within_s=30, told=lambda: process.log)
        yield Running(port, sqlite, valkey.url, process)


def test_as_many_pages_as_a_process_takes_hear_of_a_play_and_the_next_one_polls(server: Running) -> None:
    with server.pages(MOST_READERS) as pages:
        refused = server.request("GET", "/u/ada/events", server.cookie)
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        assert server.request("GET", "/u/ada/live", server.cookie).status == 200
        before = _memory(server)
        for second in range(3):
            server.play(second)
            for page in pages:
                assert page.read(until=CHANGED).endswith(CHANGED)
        assert _memory(server) - before < 20 * 2**20
        pages[0].close()
        eventually(lambda: _is_served(server), within_s=10)


def _is_served(server: Running) -> bool:
    page = Page(server.port, server.cookie)
    answer = page.read(until=b"\r\n")
    page.close()
    return answer.startswith(b"HTTP/1.1 200")


def _memory(server: Running) -> int:
    processes = [child for child in psutil.Process(server.process.pid).children(recursive=True) if child.is_running()]
    return max(process.memory_info().rss for process in processes)


def test_what_is_sent_names_nobody_and_no_song(server: Running) -> None:
    with server.pages(1) as [page]:
        server.play(1)
        assert re.fullmatch(rb"\s*([0-9A-F]+\s+)?data: changed\n\n", page.read(until=CHANGED))


def test_a_page_hears_of_what_plays_now(server: Running) -> None:
    with server.pages(1) as [page]:
        listen = {"track_metadata": {"artist_name": "Tool", "track_name": "Parabola"}}
        body = json.dumps({"listen_type": "playing_now", "payload": [listen]}).encode()
        url = f"http://127.0.0.1:{server.port}/1/submit-listens"
        sent = PoolManager().request("POST", url, body=body, headers={"Authorization": f"Token {server.token}"})
        assert sent.status == 200
        assert page.read(until=CHANGED).endswith(CHANGED)
        assert b"Parabola" in server.request("GET", "/u/ada/live", server.cookie).data


def test_a_revoked_token_ends_its_pages(server: Running) -> None:
    with server.pages(2) as pages:
        server.revoke()
        assert all(page.has_ended() for page in pages)
        assert server.request("GET", "/u/ada/events", server.cookie).status == 404


def test_who_may_not_look_at_a_page_does_not_hear_of_it(server: Running) -> None:
    closed, unknown = (server.request("GET", f"/u/{user}/events") for user in ("ada", "nobody"))
    assert (closed.status, unknown.status) == (404, 404)
    assert closed.data.replace(b"ada", b"nobody") == unknown.data


def test_pages_go_on_when_redis_comes_back_and_look_once(server: Running, valkey: Valkey) -> None:
    with server.pages(2) as pages:
        valkey.kill()
        valkey.start()
        for page in pages:
            assert page.read(until=CHANGED).endswith(CHANGED)
        server.play(1)
        for page in pages:
            assert page.read(until=CHANGED).endswith(CHANGED)


def test_a_server_that_is_stopped_lets_its_pages_go(server: Running) -> None:
    with server.pages(3) as pages:
        server.process.stop()
        assert all(page.has_ended() for page in pages)
        assert "Traceback" not in server.process.log


def test_asking_for_the_head_opens_no_page(server: Running) -> None:
    for _ in range(MOST_READERS + 1):
        assert server.request("HEAD", "/u/ada/events", server.cookie).status == 200
