"""Pack Redis commands as they go over the wire (RESP)."""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from worker.stream.keys import FIELD, STREAM, TRACE_FIELD

Command: TypeAlias = Sequence[str | bytes | int]


def packed(*commands: Command) -> bytes:
    return b"".join(
        [b"*%d\r\n%b" % (len(command), b"".join([_part(part) for part in command])) for command in commands]
    )


def packed_events(payloads: Iterable[bytes], *, traceparent: str | None = None) -> bytes:
    """Pack an XADD for each payload. All begin and end alike, so only the payload is packed each time."""
    ending = b"" if traceparent is None else _part(TRACE_FIELD) + _part(traceparent)
    beginning = b"*%d\r\n%b" % (7 if ending else 5, _XADD)
    return b"".join([b"%b$%d\r\n%b\r\n%b" % (beginning, len(payload), payload, ending) for payload in payloads])


def _part(part: str | bytes | int) -> bytes:
    raw = part if isinstance(part, bytes) else str(part).encode()
    return b"$%d\r\n%b\r\n" % (len(raw), raw)


_XADD: Final = _part("XADD") + _part(STREAM) + _part("*") + _part(FIELD)
