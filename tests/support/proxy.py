"""A TCP proxy that misbehaves on purpose: loses the reply of a server that has acted, delays, resets, falls silent."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_CHUNK: Final = 1 << 16
_NO_LINGER: Final = struct.pack("ii", 1, 0)


class Proxy:
    """Listens on 127.0.0.1 and forwards to a TCP port or a Unix socket, until it is told otherwise."""

    def __init__(self, upstream: tuple[str, int] | Path) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.delay_s = 0.0
        self.refuses = False
        self.silent = False
        self.lost = 0
        self._trigger: bytes | None = None
        self._silencer: bytes | None = None
        self._sockets: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_reply_to(self, command: bytes) -> None:
        """Reset the connection in place of the reply to the next request that contains `command`."""
        self._trigger = command

    def fall_silent_at(self, command: bytes) -> None:
        """Lose every reply, beginning with the one to the next request that contains `command`."""
        self._silencer = command

    def close(self) -> None:
        for open_socket in (self._listener, *self._sockets):
            _reset(open_socket)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.refuses:
                    _reset(client)
                    continue
                link = _Link(self, client, _connected(self._upstream))
                self._sockets |= {link.client, link.server}

    def triggered(self, request: bytes) -> bool:
        if self._silencer is not None and self._silencer in request:
            self.silent, self._silencer = True, None
        if self._trigger is None or self._trigger not in request:
            return False
        self._trigger = None
        return True


class _Link:
    """One connection: a thread for what the client says, one for what the server answers."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self._doomed = False
        for pump in (self._up, self._down):
            threading.Thread(target=pump, daemon=True).start()

    def _up(self) -> None:
        with suppress(OSError):
            while request := self.client.recv(_CHUNK):
                if self.proxy.refuses:
                    break
                # Before it is sent: the reply must not overtake the decision to lose it.
                self._doomed |= self.proxy.triggered(request)
                self.server.sendall(request)
        self._end()

    def _down(self) -> None:
        with suppress(OSError):
            while reply := self.server.recv(_CHUNK):
                if self._doomed:
                    self.proxy.lost += 1
                    break
                time.sleep(self.proxy.delay_s)
                if not self.proxy.silent:
                    self.client.sendall(reply)
        self._end()

    def _end(self) -> None:
        _reset(self.client)
        _reset(self.server)


def _connected(upstream: tuple[str, int] | Path) -> socket.socket:
    if isinstance(upstream, tuple):
        return socket.create_connection(upstream)
    unix = socket.socket(socket.AF_UNIX)
    unix.connect(str(upstream))
    return unix


def _reset(open_socket: socket.socket) -> None:
    with suppress(OSError):
        open_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        # Wakes the thread that waits in recv or accept; closing alone would not.
        open_socket.shutdown(socket.SHUT_RDWR)
    open_socket.close()


@contextmanager
def proxied(upstream: tuple[str, int] | Path) -> Iterator[Proxy]:
    proxy = Proxy(upstream)
    try:
        yield proxy
    finally:
        proxy.close()
