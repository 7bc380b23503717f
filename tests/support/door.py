"""What the HTTP door does to Redis, for tests that are not asynchronous."""

import asyncio
import json

from worker.stream.async_stream import AsyncStream


def announce_song(redis_url: str, user: str, *, title: str = "Parabola", artist: str = "Tool", ttl_s: int = 60) -> None:
    """Store what a user plays now, as the door does."""

    async def announce() -> None:
        stream = AsyncStream(redis_url)
        value = {"song": {"title": title, "artist": artist}, "source": "mpd/0.23", "since": "2026-11-23T20:04:11Z"}
        await stream.set_now_playing(user, json.dumps(value).encode(), ttl_s=ttl_s)
        stream.close()

    asyncio.run(announce())
