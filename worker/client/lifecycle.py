"""What must happen to clients when their process forks or ends."""

import atexit
import os
import threading
import time
from typing import Final, Protocol
from weakref import WeakSet

# For all clients of the process together: nobody waits longer for a player to quit.
EXIT_BUDGET_S: Final = 2.0


class Forkable(Protocol):
    def close(self, timeout_s: float) -> None: ...
    def before_fork(self) -> None: ...
    def after_fork_in_parent(self) -> None: ...
    def after_fork_in_child(self) -> None: ...


_open: "WeakSet[Forkable]" = WeakSet()
_forking: list[Forkable] = []
# Held during a fork: no other thread may be in the middle of a change, because none lives on in the child.
_changing = threading.Lock()


def watch(client: Forkable) -> None:
    with _changing:
        _open.add(client)


def forget(client: Forkable) -> None:
    with _changing:
        _open.discard(client)


def _before_fork() -> None:
    _changing.acquire()
    # The same ones afterwards, whichever the garbage collector takes away meanwhile.
    _forking[:] = _open
    for client in _forking:
        client.before_fork()


def _in_parent() -> None:
    for client in _forking:
        client.after_fork_in_parent()
    _forking.clear()
    _changing.release()


def _in_child() -> None:
    for client in _forking:
        client.after_fork_in_child()
    _forking.clear()
    _changing.release()


def _at_exit() -> None:
    deadline = time.monotonic() + EXIT_BUDGET_S
    for client in list(_open):
        client.close(max(0.0, deadline - time.monotonic()))


if hasattr(os, "register_at_fork"):  # Windows does not fork.
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
atexit.register(_at_exit)
