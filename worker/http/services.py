"""What the handlers of a process share: stream, tokens, database, and the tasks that keep them current."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import Engine

from worker.contract.clock_skew import utc_now
from worker.database.engine import opened_engine
from worker.errors import ZikError
from worker.http.endpoint import Gate
from worker.http.imports import Imports
from worker.http.ingest import Ingest
from worker.http.live import Live
from worker.http.tokens import Found, TokenCache
from worker.operations import tokens
from worker.protocols import proofs
from worker.settings import Settings
from worker.stream.announcements import announcements
from worker.stream.async_inspection import AsyncInspector
from worker.stream.async_stream import AsyncStream
from worker.stream.keys import CHANGED, REVOKED
from worker.stream.measurements import of_http_report
from worker.stream.multiplexer import Multiplexer

logger = logging.getLogger(__name__)

Given = ParamSpec("Given")
Result = TypeVar("Result")

# As many as an engine has connections.
_DATABASE_THREADS: Final = 4
_REPORT_EVERY_S: Final = 5.0
_TOUCH_EVERY_S: Final = 60.0
_AGAIN_AFTER_S: Final = 1.0
_ASK_AGAIN_AFTER_S: Final = 0.1


@dataclass(frozen=True)
class Services:
    """Handlers get it as an argument. `now` is this machine's clock, aware."""

    settings: Settings
    stream: AsyncStream
    inspector: AsyncInspector
    ingest: Ingest
    tokens: TokenCache
    gate: Gate
    live: Live
    imports: Imports
    now: Callable[[], datetime]
    _engine: Engine
    _threads: ThreadPoolExecutor

    async def in_database(
        self, function: Callable[Concatenate[Engine, Given], Result], *args: Given.args, **options: Given.kwargs
    ) -> Result:
        """Call a function that takes an engine first, in a thread: SQLAlchemy and statistics are synchronous."""
        call = partial(function, self._engine, *args, **options)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def announce_changed(self, user: str) -> None:
        """Let open pages of the user know of a correction, after COMMIT. Without Redis they look again later."""
        with suppress(ZikError):
            await self.stream.announce_changed([user])


@asynccontextmanager
async def opened_services(settings: Settings, *, now: Callable[[], datetime] = utc_now) -> AsyncIterator[Services]:
    """Open connections when they are first used, and close them at the end."""
    redis = Multiplexer(settings.redis_url)
    stream = AsyncStream(redis, max_waiting=settings.max_waiting)
    gate = Gate()
    with opened_engine(settings.database_url) as engine, ThreadPoolExecutor(_DATABASE_THREADS) as threads:

        async def find(key: str) -> Found | None:
            return await asyncio.get_running_loop().run_in_executor(threads, _found, engine, key)

        live = Live()
        inspector = AsyncInspector(redis)
        imports = Imports(settings, stream, inspector, engine)
        cache = TokenCache(find, monotonic=time.monotonic, rate=settings.http_rate)
        services = Services(
            settings, stream, inspector, Ingest(stream, gate.meter), cache, gate, live, imports, now, engine, threads
        )
        background = [
            asyncio.create_task(_for_ever(call, every_s))
            for call, every_s in (
                # It never ends by itself, and begins with looking every token up again.
                (lambda: cache.follow(live.doubting(announcements(settings.redis_url, REVOKED))), _AGAIN_AFTER_S),
                (lambda: live.follow(announcements(settings.redis_url, CHANGED)), _AGAIN_AFTER_S),
                (lambda: _report(services), _REPORT_EVERY_S),
                (lambda: _touch(services), _TOUCH_EVERY_S),
            )
        ]
        try:
            yield services
        finally:
            live.close()
            await imports.close()
            await _ended(background)
            with suppress(ZikError):
                await _report(services)
                await _touch(services)
            stream.close()


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    """End tasks. Asks again until all have: a library swallows a cancellation that meets a timeout of its own."""
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=_ASK_AGAIN_AFTER_S)


def _found(engine: Engine, key: str) -> Found | None:
    """The token with this digest, or of the session with this key."""
    token_id = proofs.token_id_of(key)
    if token_id is None:
        token = tokens.find(engine, key)
        return None if token is None else Found(token, key)
    named = tokens.with_id(engine, token_id)
    if named is None or named[0].audioscrobbler is None:
        return None
    is_right = proofs.is_session(key, token_id=token_id, stored=named[0].audioscrobbler)
    return Found(*named) if is_right else None


async def _for_ever(call: Callable[[], Awaitable[None]], every_s: float) -> None:
    """Call again and again, whatever happens: a server that no longer hears which tokens are revoked must not go on."""
    while True:
        try:
            await call()
        except ZikError as error:
            logger.debug("a task in the background waits", extra={"why": str(error)})
        except Exception:  # It is tried again, and the server serves meanwhile.
            logger.exception("a task in the background met a bug")
        await asyncio.sleep(every_s)


async def _report(services: Services) -> None:
    measured = services.gate.meter.take()
    try:
        await services.stream.report({**measured, **of_http_report()})
    except ZikError:
        services.gate.meter.add(measured)
        raise


async def _touch(services: Services) -> None:
    if used := services.tokens.used():
        await services.in_database(tokens.touch, dict.fromkeys(sorted(used), services.now()))
