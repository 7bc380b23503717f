"""Read a request's body within limits of size and time, whatever its headers promise."""

import asyncio
from typing import Final

from starlette.requests import Request

from worker.http.refusals import RequestRefusedError, busy

# ListenBrainz' own limit.
MAX_BODY_BYTES: Final = 10_240_000
BODY_TIMEOUT_S: Final = 20.0
# Of all bodies together that a process holds. What is read from them takes a few times as much.
MAX_HELD_BYTES: Final = 64 * 2**20
_HELD: Final = "zik.held_bytes"


class ClientGoneError(Exception):
    """The client has closed the connection before its request was complete: nobody reads an answer."""


class HeldBodies:
    """How much the bodies of the requests take that a process serves at the moment."""

    def __init__(self, most: int = MAX_HELD_BYTES) -> None:
        self.free = most

    def take(self, request: Request, size: int) -> None:
        """Raises `RequestRefusedError` (503) where that would be too much."""
        if size > self.free:
            raise busy()
        self.free -= size
        request.scope[_HELD] = request.scope.get(_HELD, 0) + size

    def give_back(self, request: Request) -> None:
        """What this request has taken."""
        self.free += request.scope.pop(_HELD, 0)


held_bodies: Final = HeldBodies()


async def read_body(request: Request) -> bytes:
    """Read the whole body.

    Raises:
        RequestRefusedError: 413 above `MAX_BODY_BYTES`, 408 after `BODY_TIMEOUT_S`, 415 for a compressed body,
            503 while others hold `MAX_HELD_BYTES`.
        ClientGoneError: the client has closed the connection.
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise RequestRefusedError(415, "Content-Encoding is not supported: send the body as it is")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and len(declared) <= 20 and int(declared) > MAX_BODY_BYTES:  # noqa: PLR2004 -- digits of 64 bits
        raise _too_large()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await _read(request)
    except TimeoutError:
        text = f"the body did not arrive within {BODY_TIMEOUT_S:.0f} s: send a smaller one"
        raise RequestRefusedError(408, text) from None


async def _read(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        parts.append(message.get("body", b""))
        held_bodies.take(request, len(parts[-1]))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            raise _too_large()
        if not message.get("more_body"):
            return b"".join(parts)


def _too_large() -> RequestRefusedError:
    return RequestRefusedError(413, f"the body has more than {MAX_BODY_BYTES:,} bytes: send it in parts")
