"""Close clients when the process ends, and keep them consistent when it forks."""

import atexit
import os
import threading
import time
from typing import Final, Protocol
from weakref import WeakSet

# For all clients of the process together, so that a player quits promptly.
EXIT_BUDGET_S: Final = 2.0


class Forkable(Protocol):
    def close(self, timeout_s: float) -> None: ...
    def before_fork(self) -> None: ...
    def after_fork_in_parent(self) -> None: ...
    def after_fork_in_child(self) -> None: ...


_open_clients: "WeakSet[Forkable]" = WeakSet()
_forking: list[Forkable] = []
# Held during a fork: no other thread may be in the middle of a change, because none of them lives on in the child.
_lock = threading.Lock()


def register(client: Forkable) -> None:
    with _lock:
        _open_clients.add(client)


def unregister(client: Forkable) -> None:
    with _lock:
        _open_clients.discard(client)


def _before_fork() -> None:
    _lock.acquire()
    # A strong reference to each, so that the same clients get the call after the fork.
    _forking[:] = _open_clients
    for client in _forking:
        client.before_fork()


def _after_fork_in_parent() -> None:
    for client in _forking:
        client.after_fork_in_parent()
    _forking.clear()
    _lock.release()


def _after_fork_in_child() -> None:
    for client in _forking:
        client.after_fork_in_child()
    _forking.clear()
    _lock.release()


def _at_exit() -> None:
    deadline = time.monotonic() + EXIT_BUDGET_S
    for client in list(_open_clients):
        client.close(max(0.0, deadline - time.monotonic()))


if hasattr(os, "register_at_fork"):  # Windows does not fork.
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
