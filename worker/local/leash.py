"""Become a command that gets SIGTERM when its parent dies, even if its keeper has been killed too.

Run as `python -m worker.local.leash PARENT COMMAND…`. Only Linux can do this.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def leashed(command: Sequence[str]) -> list[str]:
    """The command line that runs the command on a leash of this process. Start it in a thread that does not end."""
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-m", __name__, str(os.getpid()), *command]


def main() -> None:
    parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit("the parent ended before the command began")
    # Python ignores it, and the command would inherit that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606 -- the caller's own command, and no shell


if __name__ == "__main__":
    main()
