"""What a request may be: its size, its time, its encoding, and how many at once."""

import asyncio
import gzip
import json
from typing import Any

import pytest
from starlette.requests import Request

from tests.support.http_server import HttpServer
from worker.http import body as limits
from worker.http.body import MAX_BODY_BYTES, ClientGoneError, read_body
from worker.http.endpoint import Answer, Endpoint, Gate, json_answer
from worker.http.refusals import RequestRefusedError

PATHS = ("/1/submit-listens", "/v1/events")


def request_of(*messages: Any, headers: dict[str, str] | None = None) -> Request:
    """A request whose body comes in these messages; after the last one nothing comes."""
    waiting = list(messages)

    async def receive() -> Any:
        if not waiting:
            await asyncio.sleep(3600)
        return waiting.pop(0)

    sent = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": sent, "query_string": b""}, receive)


def part(content: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": content, "more_body": more}


def refusal(request: Request) -> int:
    with pytest.raises(RequestRefusedError) as caught:
        asyncio.run(read_body(request))
    return caught.value.status


def test_a_body_may_come_in_parts() -> None:
    request = request_of(part(b"ab", more=True), part(b"", more=True), part(b"c", more=False))
    assert asyncio.run(read_body(request)) == b"abc"


def test_a_body_is_counted_while_it_is_read() -> None:
    whole = part(bytes(MAX_BODY_BYTES), more=True)
    assert refusal(request_of(whole, part(b"x", more=True))) == 413
    assert len(asyncio.run(read_body(request_of(whole, part(b"", more=False))))) == MAX_BODY_BYTES


@pytest.mark.parametrize("length", [str(MAX_BODY_BYTES + 1), "9" * 20])
def test_a_body_that_says_it_is_too_large_is_not_read(length: str) -> None:
    assert refusal(request_of(headers={"content-length": length})) == 413


def test_a_body_has_limited_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_TIMEOUT_S", 0.05)
    assert refusal(request_of(part(b"{", more=True))) == 408
    assert refusal(request_of()) == 408


def test_all_bodies_together_are_bounded(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = limits.HeldBodies(most=1_000)
    monkeypatch.setattr(limits, "held_bodies", bodies)
    monkeypatch.setattr("worker.http.endpoint.held_bodies", bodies)
    request = request_of(part(bytes(600), more=True), part(bytes(300), more=False))
    assert len(asyncio.run(read_body(request))) == 900
    assert bodies.free == 100
    for path in PATHS:
        answer = server.post(path, bytes(101))
        assert (answer.status_code, answer.json()["code"]) == (503, 503)
    bodies.give_back(request)
    for _ in range(20):
        assert server.post("/v1/events", bytes(101)).status_code == 200
    assert bodies.free == 1_000


def test_a_client_that_leaves_gets_no_answer() -> None:
    with pytest.raises(ClientGoneError):
        asyncio.run(read_body(request_of(part(b"{", more=True), {"type": "http.disconnect"})))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("encoding", ["gzip", "deflate, gzip", "br", "zstd"])
def test_a_compressed_body_is_refused_unopened(server: HttpServer, path: str, encoding: str) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    answer = server.post(path, bomb, **{"Content-Encoding": encoding})
    assert (answer.status_code, answer.json()["code"]) == (415, 415)


@pytest.mark.parametrize("path", PATHS)
def test_a_large_body_is_refused_in_the_protocols_format(server: HttpServer, path: str) -> None:
    answer = server.post(path, b" " * (MAX_BODY_BYTES + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, 413)


def test_a_full_body_of_listens_is_accepted(server: HttpServer) -> None:
    song = {"artist_name": "Tool", "track_name": "Parabola", "additional_info": {"comment": "x" * 1_900}}
    listens = [{"listened_at": 1_700_000_000 + 300 * number, "track_metadata": song} for number in range(5_000)]
    body = json.dumps({"listen_type": "import", "payload": listens}).encode()
    assert MAX_BODY_BYTES * 0.95 < len(body) < MAX_BODY_BYTES
    answer = server.post("/1/submit-listens", body)
    assert (answer.status_code, answer.json()["submitted_listens"]) == (200, 5_000)
    assert server.waiting() == 5_000


def test_more_requests_than_the_limit_are_sent_away_at_once() -> None:
    async def main() -> list[int]:
        opened = asyncio.Event()

        async def handle(_: Request) -> Answer:
            await opened.wait()
            return json_answer(200, {})

        def refuse(refused: RequestRefusedError, _: Request) -> Answer:
            return json_answer(refused.status, {}, refused.headers)

        endpoint = Endpoint("/x", handle, refuse=refuse, gate=Gate(most=3))
        statuses: list[int] = []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        async def call() -> None:
            request = request_of()
            await endpoint(request.scope, request.receive, send)

        calls = [asyncio.create_task(call()) for _ in range(5)]
        await asyncio.sleep(0.01)
        refused = list(statuses)
        opened.set()
        await asyncio.gather(*calls)
        assert refused == [503, 503]
        await call()
        return statuses

    assert asyncio.run(main()) == [503, 503, 200, 200, 200, 200]
