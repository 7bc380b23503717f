"""Stop a command when its owner ends, however the owner ends.

Run by the owner as `python -m worker.local.keeper NAME PID`, beside the command and not above it: a killed keeper takes
nothing with it, and the owner starts another. Standard input is a pipe that closes when the owner stops, crashes or is
killed.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from typing import Final

# Shorter than a Celery worker's hard time limit, which is too long to wait for. Entries cut off here stay pending.
STOP_TIMEOUT_S: Final = 20.0
_POLL_INTERVAL_S: Final = 0.05


def end(pid: int) -> None:
    """Ask the leader of a process group to end, wait for it, and kill what is left of the group."""
    deadline = time.monotonic() + STOP_TIMEOUT_S
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            time.sleep(_POLL_INTERVAL_S)
            os.kill(pid, 0)  # Raises once the leader is gone.
    kill_group(pid)


def kill_group(pid: int) -> None:
    """Kill a process group. A Celery worker that is killed leaves the processes of its pool behind."""
    # macOS refuses to signal a group of which only zombies are left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def main() -> None:
    # Only the owner's pipe ends this process, not the terminal.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    while os.read(sys.stdin.fileno(), 1024):
        pass
    _, _, pid = sys.argv  # The name is for `ps`.
    end(int(pid))


if __name__ == "__main__":
    main()
