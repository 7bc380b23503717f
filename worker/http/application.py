"""Bring each request to its handler: as players spell the paths, from any origin."""

import asyncio
import logging
import re
import signal
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from worker.contract.clock_skew import utc_now
from worker.gc_tuning import tune_gc
from worker.http.routes import direct_routes, routes
from worker.http.services import opened_services
from worker.logs import set_up_logs
from worker.settings import Settings, load_settings

_SLASHES: Final = re.compile(r"/{2,}")
# A browser's player may come from any page. Nothing here depends on a cookie.
_OPEN_TO_BROWSERS: Final = ("/1/", "/v1/", "/2.0", "/apis/mlj_1/")


def canonical_path(path: str) -> str:
    """The path as routes spell it.

    Clients join a base and a path with one slash too many or too few, and some keep Maloja's prefix.

    >>> canonical_path("/apis/listenbrainz//1/submit-listens/")
    '/1/submit-listens'
    """
    path = _SLASHES.sub("/", path).removeprefix("/apis/listenbrainz")
    return path.rstrip("/") or "/"


class Application:
    """The ASGI application. The routes that take most requests skip the router."""

    def __init__(self, settings: Settings, *, now: Callable[[], datetime] = utc_now) -> None:
        self._settings = settings
        self._now = now
        self._direct: Mapping[tuple[str, str], ASGIApp] = {}
        self._router = Starlette(lifespan=self._lifespan, exception_handlers={404: _not_found, 405: _wrong_method})
        self._with_cors = CORSMiddleware(
            self._dispatch,
            allow_origins=["*"],
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["Retry-After", "X-RateLimit-Reset-In"],
            max_age=86_400,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        scope["path"] = canonical_path(scope["path"])
        await self._entrance(scope)(scope, receive, send)

    def _entrance(self, scope: Scope) -> ASGIApp:
        # Without the detour over CORS, which costs a tenth of a request that no browser has sent. No cache keeps the
        # answer to a POST, so that it needs no `Vary: Origin`.
        direct = self._direct.get((scope["method"], scope["path"]))
        if direct is not None and all(name != b"origin" for name, _ in scope["headers"]):
            return direct
        return self._with_cors if scope["path"].startswith(_OPEN_TO_BROWSERS) else self._dispatch

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        serve = self._direct.get((scope["method"], scope["path"]), self._router)
        await serve(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with opened_services(self._settings, now=self._now) as services:
            _at_stop(services.live.close)
            self._direct = direct_routes(services)
            self._router.router.routes.extend(routes(services))
            yield


def _at_stop(call: Callable[[], None]) -> None:
    """Call it when the process is told to stop: granian waits for open streams first, and ends the lifespan then."""
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()

    def note(signal_number: int, frame: object) -> None:
        del signal_number, frame
        loop.call_soon_threadsafe(call)

    for number in (signal.SIGINT, signal.SIGTERM):
        # Beside granian's own handler, which asyncio calls: the loop hears of signals by a descriptor.
        signal.signal(number, note)
        signal.siginterrupt(number, False)  # noqa: FBT003 -- it has no keyword


def create_application() -> Application:
    """Make the application of one process, for granian."""
    set_up_logs(logging.INFO)
    application = Application(load_settings())
    tune_gc()
    return application


async def _not_found(request: Request, error: Exception) -> Response:
    del request, error
    return JSONResponse({"code": 404, "error": "no such path: docs/http.md lists them"}, 404)


async def _wrong_method(request: Request, error: Exception) -> Response:
    headers = error.headers if isinstance(error, HTTPException) else None
    return JSONResponse({"code": 405, "error": f"{request.method} is not served here"}, 405, headers)
