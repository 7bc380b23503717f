"""Run the application under granian, with limits for clients that are slow, silent or many."""

from typing import Final

from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

# Connections that the kernel keeps waiting, and that may be open at once. With granian's 1,024, as many silent clients
# keep everyone else out.
_BACKLOG: Final = 4_096
MOST_CONNECTIONS: Final = 8_192
_HEADERS_WITHIN_MS: Final = 10_000
# Longer than the longest answer: Redis is given up after five seconds, a question to the database after fifteen.
STOP_WITHIN_S: Final = 20
# Its lines go where zik's own go, and look like them.
_LOGGING: Final = {"version": 1, "disable_existing_loggers": False, "loggers": {"_granian": {"propagate": True}}}


def serve(*, host: str, port: int, workers: int) -> None:
    """Serve until SIGINT or SIGTERM. Requests that are being served are answered first."""
    Granian(
        "worker.http.application:create_application",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        workers=workers,
        backlog=_BACKLOG,
        backpressure=MOST_CONNECTIONS // workers,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADERS_WITHIN_MS),
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_WITHIN_S,
        # An access log would hold tokens, because webhooks carry them in their path.
        log_access=False,
        log_level=LogLevels.warning,
        log_dictconfig=_LOGGING,
    ).serve()
