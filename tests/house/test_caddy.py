"""ops/caddy/Caddyfile, in front of a real `zik serve`. What is replaced: ports, and where certificates are kept."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
import urllib3
import urllib3.exceptions
from sqlalchemy import Engine
from urllib3.connection import HTTPSConnection

from tests.support.events import play_payload
from tests.support.processes import ROOT, Process, eventually, running, url_of
from worker.local.http_server import answers
from worker.local.valkey import free_port
from worker.operations import tokens
from worker.operations.tokens import Scope
from worker.stream.consumer import EventStream

CADDY: Final = Path(sys.executable).parent / "caddy"
CADDYFILE: Final = ROOT / "ops" / "caddy" / "Caddyfile"
SECRET: Final = "5eb7a5f0-canary-token"  # noqa: S105 -- a canary
# Caddy's own lines at its start need a moment on a busy machine.
START_S: Final = 30.0


class Caddy:
    """A Caddy with the shipped file, whose certificate is checked."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path, ports: tuple[int, int]) -> None:
        self.process = process
        self._folder = folder
        self.http_port, self.https_port = ports

    @property
    def log(self) -> str:
        return (self._folder / "caddy.log").read_text()

    @property
    def _root(self) -> str:
        return str(self._folder / "caddy" / "pki" / "authorities" / "local" / "root.crt")

    def pool(self) -> urllib3.HTTPSConnectionPool:
        return urllib3.HTTPSConnectionPool("localhost", self.https_port, ca_certs=self._root, retries=False)

    def request(self, method: str, path: str, **options: Any) -> urllib3.BaseHTTPResponse:
        return self.pool().request(method, path, **options)

    def serves(self) -> bool:
        """Whether it has its certificate. What is behind it may be away."""
        connection = HTTPSConnection("localhost", self.https_port, ca_certs=self._root)
        try:
            connection.connect()
        except (urllib3.exceptions.HTTPError, OSError):
            return False
        connection.close()
        return True


@contextmanager
def caddy(folder: Path, *, upstream: int, waits_s: str = "10s", more: str = "") -> Iterator[Caddy]:
    ports = (free_port(), free_port())
    mine = f"http_port {ports[0]}\n\thttps_port {ports[1]}\n\tskip_install_trust\n\tadmin off\n\t{more}\n\t"
    text = CADDYFILE.read_text()
    for theirs, here in (
        ("{\n\tservers", f"{{\n\t{mine}servers"),
        ("lb_try_duration 10s", f"lb_try_duration {waits_s}"),
    ):
        assert text.count(theirs) == 1
        text = text.replace(theirs, here)
    (folder / "Caddyfile").write_text(text)
    environment = {**os.environ, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "caddy.log").open("wb") as log:
        process = subprocess.Popen(
            [CADDY, "run", "--config", folder / "Caddyfile"],
            env={**environment, "ZIK_HTTP": f"127.0.0.1:{upstream}"},
            stdout=log,
            stderr=log,
        )
    it = Caddy(process, folder, ports)
    try:
        eventually(it.serves, within_s=START_S, every_s=0.1, told=lambda: it.log)
        yield it
    finally:
        process.terminate()
        process.wait(START_S)


@contextmanager
def zik_serve(port: int, redis_url: str, engine: Engine, folder: Path) -> Iterator[Process]:
    command = ["worker", "serve", "--port", str(port)]
    with running(command, folder=folder, REDIS_URL=redis_url, DATABASE_URL=url_of(engine)) as server:
        eventually(lambda: answers(f"http://127.0.0.1:{port}"), within_s=60, every_s=0.1, told=lambda: server.log)
        yield server


def test_caddy_accepts_the_file_and_finds_it_well_formatted() -> None:
    for command in (["validate", "--adapter", "caddyfile", "--config"], ["fmt", "--diff"]):
        run = subprocess.run([CADDY, *command, CADDYFILE], check=False, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr


def test_the_image_of_compose_is_the_caddy_that_is_tried() -> None:
    version = subprocess.run([CADDY, "version"], check=True, capture_output=True, text=True).stdout.split()[0]
    assert f"image: caddy:{version.removeprefix('v')}-alpine@" in (ROOT / "compose.yaml").read_text()


def test_a_player_publishes_by_tls_and_reads_ziks_own_refusals(
    redis_url: str, stream: EventStream, sqlite: Engine, tmp_path: Path
) -> None:
    port = free_port()
    token = tokens.create(sqlite, "ada", name="phone", scopes=[Scope.SUBMIT])
    headers = {"authorization": f"Token {token}"}
    with zik_serve(port, redis_url, sqlite, tmp_path), caddy(tmp_path, upstream=port) as proxy:
        answer = proxy.request("POST", "/v1/events", body=play_payload(user="ada"), headers=headers)
        assert (answer.status, answer.json()["events"][0]["status"]) == (200, "accepted")
        assert answer.headers["strict-transport-security"]
        refused = proxy.request("POST", "/v1/events", body=play_payload(user="ada"))
        assert (refused.status, refused.json()["code"]) == (401, 401)
        plain = urllib3.request("GET", f"http://localhost:{proxy.http_port}/v1/health", redirect=False)
        assert (plain.status, plain.headers["location"][:17]) == (308, "https://localhost")
    assert stream.books().received == 1


def test_a_restart_of_zik_costs_no_request(redis_url: str, stream: EventStream, sqlite: Engine, tmp_path: Path) -> None:
    port = free_port()
    token = tokens.create(sqlite, "ada", name="phone", scopes=[Scope.SUBMIT])
    answered: list[int] = []
    with caddy(tmp_path, upstream=port, waits_s="60s") as proxy:

        def publish() -> None:
            headers = {"authorization": f"Token {token}"}
            answered.append(proxy.request("POST", "/v1/events", body=play_payload(user="ada"), headers=headers).status)

        waiting = threading.Thread(target=publish)
        waiting.start()
        with zik_serve(port, redis_url, sqlite, tmp_path):
            waiting.join(60)
    assert answered == [200]
    assert stream.books().received == 1


def test_while_zik_is_away_players_keep_their_plays_and_the_log_keeps_secrets(tmp_path: Path) -> None:
    # At its usual level Caddy logs no request at all.
    with caddy(tmp_path, upstream=free_port(), waits_s="100ms", more="debug") as proxy:
        headers = {"authorization": f"Token {SECRET}", "x-canary": SECRET}
        for path in ("/1/submit-listens", f"/hooks/plex/{SECRET}", f"/1/validate-token?token={SECRET}"):
            answer = proxy.request("POST", path, body=SECRET.encode(), headers=headers)
            assert (answer.status, answer.json()["code"]) == (503, 503)
            assert answer.headers["retry-after"] == answer.headers["x-ratelimit-reset-in"] == "5"
        eventually(lambda: "connection refused" in proxy.log, within_s=10, told=lambda: proxy.log)
    assert SECRET not in proxy.log
    assert [json.loads(line) for line in proxy.log.splitlines() if line.startswith("{")]


class Upstream(BaseHTTPRequestHandler):
    """Sends a first event, then one for each that the test allows; notes when its client has gone, and what it sent."""

    protocol_version = "HTTP/1.1"
    received_bytes = 0
    allowed = threading.Semaphore(0)
    gone = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"data: changed\n\n")
                self.wfile.flush()
                self.allowed.acquire()
        except OSError:
            self.gone.set()

    def do_POST(self) -> None:
        self.close_connection = True
        while data := self.rfile.read1(65_536):
            type(self).received_bytes += len(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class names it so
        """Say nothing."""


@pytest.fixture
def upstream() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_stream_of_events_arrives_at_once_and_ends_with_its_reader(upstream: int, tmp_path: Path) -> None:
    with caddy(tmp_path, upstream=upstream) as proxy:
        answer = proxy.pool().urlopen("GET", "/live", preload_content=False)
        chunks = answer.stream(1)
        for _ in range(3):
            # The next one is sent only after this one was read.
            assert b"".join(next(chunks) for _ in range(len(b"data: changed\n\n"))) == b"data: changed\n\n"
            Upstream.allowed.release()
        answer.close()

        def has_noticed() -> bool:
            Upstream.allowed.release()
            return Upstream.gone.is_set()

        eventually(has_noticed, within_s=30, every_s=0.1)


def test_a_body_without_a_length_is_cut_off(upstream: int, tmp_path: Path) -> None:
    parts = (b" " * 1_000_000 for _ in range(40))
    with caddy(tmp_path, upstream=upstream) as proxy, suppress(urllib3.exceptions.HTTPError, OSError):
        assert proxy.request("POST", "/v1/events", body=parts).status == 413
    assert 5_000_000 < Upstream.received_bytes < 12_000_000
