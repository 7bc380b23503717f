"""What any server in Python costs that brings a body's lines to Redis: it knows no token, route, limit or contract."""

import os
from typing import Any

from worker.stream.async_stream import AsyncStream

_stream = AsyncStream(os.environ["REDIS_URL"])


async def app(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application. Each line of a body is an event, and goes to the stream as it came."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        _stream.close()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b""
    if scope["method"] == "POST":
        while (message := await receive()).get("more_body"):
            body += message["body"]
        body += message["body"]
        await _stream.append(body.splitlines())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})
