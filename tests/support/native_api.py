"""A server of zik's native API in this process, with a list for a stream. Told to, it misbehaves like a network."""

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple

TOKEN: Final = "9a3b1c52-token-canary-51d0e7f0a1b2"  # noqa: S105 -- of this server only
JSON: Final = {"Content-Type": "application/json"}


class Received(NamedTuple):
    path: str
    headers: Mapping[str, str]
    payloads: list[bytes]


Misbehave = Callable[["Handler", list[bytes]], None]


class NativeApi:
    """Listens on 127.0.0.1.

    Attributes:
        stored: the events that it has accepted, in order.
        received: every request.
        connections: how many it has taken.
        refuse: why it refuses an event, as reason and detail; None accepts it.
        misbehaviours: what it does in place of an answer to the next requests, one each.
    """

    def __init__(self, *, prefix: str = "") -> None:
        self.stored: list[bytes] = []
        self.received: list[Received] = []
        self.connections = 0
        self.refuse: Callable[[dict[str, Any]], tuple[str, str] | None] = lambda _: None
        self.misbehaviours: deque[Misbehave] = deque()
        self.path = f"{prefix}/v1/events"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"api": self}))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}{prefix}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def values(self) -> list[Any]:
        """Of the preferences that it has stored."""
        return [json.loads(payload)["value"] for payload in self.stored]

    def verdict(self, payload: bytes) -> dict[str, Any]:
        event = json.loads(payload)
        refusal = self.refuse(event)
        if refusal is None:
            self.stored.append(payload)
            return {"id": event.get("id"), "status": "accepted"}
        reason, detail = refusal
        return {"id": event.get("id"), "status": "refused", "reason": reason, "detail": detail}

    def answer(self, payloads: Sequence[bytes]) -> bytes:
        return json.dumps({"events": [self.verdict(payload) for payload in payloads]}).encode()


class Handler(BaseHTTPRequestHandler):
    api: NativeApi
    protocol_version = "HTTP/1.1"
    # One write for each answer, so that none waits for an acknowledgement of the one before.
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.api.connections += 1

    def handle(self) -> None:
        with suppress(OSError):
            super().handle()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        payloads = body.splitlines()
        self.api.received.append(Received(self.path, dict(self.headers), payloads))
        if self.api.misbehaviours:
            self.api.misbehaviours.popleft()(self, payloads)
        elif self.path != self.api.path:
            self.reply(404, b"{}")
        elif self.headers["Authorization"] != f"Token {TOKEN}":
            self.reply(401, b"{}")
        else:
            self.reply(200, self.api.answer(payloads))

    def reply(self, status: int, body: bytes, headers: Mapping[str, str] = JSON, *, length: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)
            self.wfile.flush()

    def reset(self) -> None:
        """End the connection as a network does that has lost it."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Not into the test's output."""


def replying(status: int, body: bytes = b"", headers: Mapping[str, str] = JSON) -> Misbehave:
    return lambda handler, _: handler.reply(status, body, headers)


@contextmanager
def native_api(*, prefix: str = "") -> Iterator[NativeApi]:
    api = NativeApi(prefix=prefix)
    try:
        yield api
    finally:
        api.close()
