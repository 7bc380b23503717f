import logging
import signal
import threading
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry, start_http_server

from worker.database.engine import opened_engine
from worker.errors import ZikError
from worker.logs import set_up_logs
from worker.operations.metrics import ZikCollector
from worker.settings import load_settings
from worker.stream.consumer import EventStream

logger = logging.getLogger(__name__)

Host = Annotated[str, typer.Option("--host", help="Address to listen on; 0.0.0.0 is all.")]
Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")]


def metrics(*, host: Host = "127.0.0.1", port: Port = 9640) -> None:
    """Serve metrics to Prometheus at /metrics until stopped. One process is enough for all workers."""
    settings = load_settings()
    set_up_logs(logging.INFO)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with EventStream.opened(settings.redis_url) as stream, opened_engine(settings.database_url) as engine:
        registry = CollectorRegistry()
        registry.register(ZikCollector(stream, engine))
        try:
            server, _ = start_http_server(port, host, registry)
        except OSError as error:
            message = f"cannot serve on {host}:{port}: {error.strerror}; choose another --port or --host"
            raise ZikError(message) from None
        logger.info("serving metrics", extra={"url": f"http://{host}:{port}/metrics"})
        stopped.wait()
        server.shutdown()
        server.server_close()
