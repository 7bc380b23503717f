"""Pages that are open and listen for changes: connections with a stream of events each, read by one thread."""

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

_CHUNK: Final = 65_536
_OK: Final = b"HTTP/1.1 200 "
_LOOK_EVERY_S: Final = 0.2


@dataclass
class OpenPages:
    """`lost` counts the streams that the server has ended."""

    lost: int = 0


@contextmanager
def open_pages(port: int, path: str, cookie: str, number: int) -> Iterator[OpenPages]:
    """Keep so many streams open while the block runs. A server ends each after ten minutes."""
    pages, ending = OpenPages(), threading.Event()
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for _ in range(number):
            selector.register(stack.enter_context(_opened(port, path, cookie)), selectors.EVENT_READ)
        reader = threading.Thread(target=_read, args=(selector, pages, ending))
        reader.start()
        stack.callback(reader.join)
        stack.callback(ending.set)
        yield pages


def _opened(port: int, path: str, cookie: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode())
    begun = connection.recv(_CHUNK)
    if not begun.startswith(_OK):
        raise AssertionError(f"{path}: answered {begun[:100]!r}")
    return connection


def _read(selector: selectors.BaseSelector, pages: OpenPages, ending: threading.Event) -> None:
    while not ending.is_set():
        for key, _ in selector.select(timeout=_LOOK_EVERY_S):
            connection = key.fileobj
            if isinstance(connection, socket.socket) and not connection.recv(_CHUNK):
                selector.unregister(connection)
                pages.lost += 1
