"""Run a command for as long as somebody holds this process's standard input open.

Run as `python -m worker.local.keeper COMMAND…`. The pipe closes when its owner stops, crashes or is killed outright, so
that no server is ever left behind. The command gets a session of its own: Ctrl-C in the terminal reaches the owner
alone, who then stops things in the right order.
"""

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Final

# More than a Celery worker's hard time limit would be more than anybody waits; what is cut off stays pending.
STOP_WITHIN_S: Final = 20.0


def keep(command: Sequence[str]) -> int:
    """Start the command; stop it when standard input ends. Returns its exit code."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True) as process:
        threading.Thread(target=_stop_at_end_of_input, args=[process], daemon=True).start()
        return process.wait()


def _stop_at_end_of_input(process: "subprocess.Popen[bytes]") -> None:
    sys.stdin.buffer.read()
    process.terminate()
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()


def main() -> None:
    # The owner's pipe decides, not the terminal.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    sys.exit(keep(sys.argv[1:]))


if __name__ == "__main__":
    main()
