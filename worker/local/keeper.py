"""Run a command until this process's standard input closes.

Run as `python -m worker.local.keeper COMMAND…`. The pipe closes when its owner stops, crashes or is killed, so no
server is left running. The command gets its own session: Ctrl-C in the terminal reaches only the owner, which then
stops its processes in the right order.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Final

# Shorter than a Celery worker's hard time limit, which is too long to wait for. Entries cut off here stay pending.
STOP_TIMEOUT_S: Final = 20.0


def keep(command: Sequence[str]) -> int:
    """Run the command, and stop it when standard input ends. Returns its exit code."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True) as process:
        threading.Thread(target=_stop_at_end_of_input, args=[process], daemon=True).start()
        return process.wait()


def _stop_at_end_of_input(process: "subprocess.Popen[bytes]") -> None:
    # Not by `sys.stdin`: its lock, held by this thread, would abort the interpreter if the command ends first.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()


def main() -> None:
    # Only the owner's pipe ends this process, not the terminal.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    sys.exit(keep(sys.argv[1:]))


if __name__ == "__main__":
    main()
