"""Send ready-made requests over so many connections for a while: by wrk where it is installed, else by this module.

It runs in a process of its own, one request at a time on each connection, and prints what it measured as JSON.
"""

import json
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from benchmarks.processes import ROOT

_SCRIPT: Final = Path(__file__).with_suffix(".lua")
_ANSWER_WITHIN_S: Final = 30.0
_OK: Final = b"HTTP/1.1 200 "


@dataclass(frozen=True)
class Load:
    """Requests to send to one path: `bodies` in turn, again from the first after the last."""

    port: int
    path: str
    token: str
    bodies: Sequence[bytes]


@dataclass(frozen=True)
class Served:
    requests_per_s: float
    p50_ms: float
    p99_ms: float


def is_wrk_installed() -> bool:
    return shutil.which("wrk") is not None


def send(load: Load, *, connections: int, seconds: float) -> Served:
    """Measure for so many seconds. Every request must be answered 200."""
    with tempfile.TemporaryDirectory() as folder:
        bodies = Path(folder) / "bodies"
        bodies.write_bytes(b"\x1e".join(load.bodies))
        if is_wrk_installed():
            command = _wrk(load, bodies, connections, seconds)
        else:
            arguments = (str(load.port), load.path, load.token, str(bodies), str(connections), str(seconds))
            command = [sys.executable, "-m", "benchmarks.contenders.http_load", *arguments]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 -- our own words
    measured = json.loads(run.stdout.strip().splitlines()[-1])
    if measured["failed"] or not measured["requests"]:
        raise AssertionError(f"{load.path} of port {load.port}: {measured}")
    return Served(measured["requests"] / measured["seconds"], measured["p50_ms"], measured["p99_ms"])


def _wrk(load: Load, bodies: Path, connections: int, seconds: float) -> list[str]:
    # wrk takes whole seconds.
    duration, limit = f"{max(1, round(seconds))}s", f"{_ANSWER_WITHIN_S:.0f}s"
    setting = ["-t", "1", "-c", str(connections), "-d", duration, "--timeout", limit, "-s", str(_SCRIPT)]
    return ["wrk", *setting, f"http://127.0.0.1:{load.port}{load.path}", "--", load.token, str(bodies)]


# --- Where wrk is not installed -------------------------------------------------------------------


class _Connection:
    def __init__(self, port: int, requests: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_WITHIN_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests = requests
        self._received = b""

    def send(self) -> None:
        self._received = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(next(self._requests))

    def receive(self) -> bytes | None:
        """The answer, when all of it has come."""
        more = self.socket.recv(262_144)
        if not more:
            raise ConnectionError("the server has closed a connection")
        self._received += more
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return None
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return self._received if len(body) == int(length.partition(b":")[2]) else None


def measure(load: Load, *, connections: int, seconds: float) -> dict[str, Any]:
    requests = cycle([_request(load, body) for body in load.bodies])
    taken_s: list[float] = []
    failed = 0
    with selectors.DefaultSelector() as selector:
        opened = [_Connection(load.port, requests) for _ in range(connections)]
        began = time.perf_counter()
        for connection in opened:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send()
        while time.perf_counter() - began < seconds:
            for key, _ in selector.select(1.0):
                answer = key.data.receive()
                if answer is not None:
                    taken_s.append(time.perf_counter() - key.data.sent_at)
                    failed += not answer.startswith(_OK)
                    key.data.send()
        elapsed_s = time.perf_counter() - began
    ordered = sorted(taken_s)
    p50, p99 = (ordered[int(len(ordered) * share)] * 1000 if ordered else 0.0 for share in (0.5, 0.99))
    return {"requests": len(ordered), "seconds": elapsed_s, "failed": failed, "p50_ms": p50, "p99_ms": p99}


def _request(load: Load, body: bytes) -> bytes:
    headers = f"Host: 127.0.0.1\r\nAuthorization: Token {load.token}\r\nContent-Type: application/json"
    return f"POST {load.path} HTTP/1.1\r\n{headers}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def main() -> None:
    port, path, token, bodies, connections, seconds = sys.argv[1:]
    load = Load(int(port), path, token, Path(bodies).read_bytes().split(b"\x1e"))
    sys.stdout.write(json.dumps(measure(load, connections=int(connections), seconds=float(seconds))))


if __name__ == "__main__":
    main()
