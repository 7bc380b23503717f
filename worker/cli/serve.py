import logging
from typing import Annotated

import typer

from worker.errors import OperatorError
from worker.logs import set_up_logs
from worker.settings import load_settings

logger = logging.getLogger(__name__)

Host = Annotated[str, typer.Option("--host", help="Address to listen on; 0.0.0.0 is all.")]
Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")]
Workers = Annotated[int, typer.Option("--workers", "-w", min=1, max=64, help="Processes that serve.")]


def serve(*, host: Host = "127.0.0.1", port: Port = 9641, workers: Workers = 1) -> None:
    """Serve HTTP to players until stopped: ListenBrainz, Last.fm, AudioScrobbler, webhooks, and zik's own API.

    Players need a token: `zik token create`. Put a proxy in front of it for TLS.
    """
    load_settings()
    try:
        from worker.http.server import serve as serve_http  # noqa: PLC0415 -- of an extra
    except ModuleNotFoundError as error:
        raise OperatorError(f"{error.name} is not installed: pip install 'zik[http]'") from None
    set_up_logs(logging.INFO)
    logger.info("serving HTTP", extra={"url": f"http://{host}:{port}"})
    serve_http(host=host, port=port, workers=workers)
