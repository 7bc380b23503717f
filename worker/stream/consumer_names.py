"""Names of consumers, `node:slot/process`: no two processes share one, and its host can see that its owner has died."""

import os
import re
import socket
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from typing import Final

_SELF: Final = Path("/proc/self")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE: Final = Path("/proc/self/ns/pid")
_OWNER: Final = re.compile(r"/(?P<machine>[0-9a-f]{8})-(?P<pid>\d+)-(?P<started>\d+)$", re.ASCII)
# Positions in /proc/[pid]/stat after the command, which may contain anything: see proc_pid_stat(5).
_STATE: Final = 0
_START_TIME: Final = 19


def slot_consumer(node: str, slot: str) -> str:
    """The consumer of one slot in this process, as `celery@host:0/3fa9c2d1-4711-398812`."""
    return f"{node}:{slot}/{_process(os.getpid())}"


def process_consumer(purpose: str) -> str:
    """The consumer of a command, as `host:drain-4711/3fa9c2d1-4711-398812`."""
    return slot_consumer(socket.gethostname(), f"{purpose}-{os.getpid()}")


def place_of(consumer: str) -> str:
    """Node and slot, as `celery@host:0`: the same for a process and its successor."""
    return consumer.rpartition("/")[0] or consumer


def host_of(consumer: str) -> str:
    return place_of(consumer).rpartition(":")[0].rpartition("@")[2]


def has_died(consumer: str) -> bool:
    """Whether the process behind this name has certainly ended. False for one of another machine or PID namespace."""
    owner = _OWNER.search(consumer)
    if not owner or owner["machine"] != _machine(os.getpid()):
        return False
    pid = int(owner["pid"])
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        pass  # Another user's process.
    # /proc may hide other users' processes: then nothing is certain.
    with suppress(OSError):
        state, started = _stat(pid)
        return state in "ZX" or started != owner["started"]
    return False


@cache
def _process(pid: int) -> str:
    """Identify a process among all that ever run: the machine since its boot, the number, the moment it started."""
    with suppress(OSError):
        if machine := _machine(pid):
            return f"{machine}-{pid}-{_stat(pid)[1]}"
    # Without Linux' /proc. Nobody can then see that the process has died, and its entries are taken over by the lease.
    return token_hex(8)


@cache
def _machine(pid: int) -> str:
    """A digest of host name, boot and PID namespace; empty where /proc does not show this process's own namespace."""
    try:
        if str(_SELF.readlink()) != str(pid):
            return ""
        facts = socket.gethostname(), _BOOT_ID.read_text().strip(), str(_PID_NAMESPACE.readlink())
    except OSError:
        return ""
    return blake2b("\n".join(facts).encode(), digest_size=4).hexdigest()


def _stat(pid: int) -> tuple[str, str]:
    """The state and the start time of a process, in clock ticks since the boot."""
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return fields[_STATE], fields[_START_TIME]
