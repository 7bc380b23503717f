"""Publish files of events, one JSON object per line. Invalid lines are reported and skipped."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import BinaryIO, Final

from pydantic_core import from_json

from worker.contract.codec import decode, encode
from worker.contract.events import Event
from worker.errors import InvalidEventError

_GZIP_MAGIC: Final = b"\x1f\x8b"
_BATCH_EVENTS: Final = 1_000
# The only key of a line that `zik export` writes and that is no event.
ACCOUNT: Final = "listener"
TOKEN: Final = "token"  # noqa: S105 -- the name of a field
FEEDBACK: Final = "pending_feedback"
LETTER: Final = "dead_letter"
CORRECTED: Final = "corrected_play"
LEFT_OUT: Final = "left_out"
_NO_EVENTS: Final = ([ACCOUNT], [TOKEN], [LEFT_OUT], [FEEDBACK], [CORRECTED], [LETTER])
# A truncated gzip file raises EOFError; BadGzipFile and a failing disk raise an OSError.
_READ_ERRORS: Final = (OSError, EOFError, zlib.error)


@dataclass(frozen=True)
class BadLine:
    """A line that was not sent. Lines are counted from 1."""

    number: int
    error: InvalidEventError


@dataclass(frozen=True)
class Break:
    """The rest of a file cannot be read: after how many lines, and why."""

    after: int
    why: str


@dataclass
class Published:
    sent: int = 0
    bad: list[BadLine] = field(default_factory=list)
    broken: Break | None = None

    @property
    def is_whole(self) -> bool:
        return not self.bad and self.broken is None


def publish_lines(
    append: Callable[[list[bytes]], object],
    lines: Iterator[bytes],
    *,
    now: datetime,
    sent: Callable[[int], None] = lambda _: None,
) -> Published:
    """Validate each line, and send the valid ones unchanged and in order.

    A `sent_at` is removed, because it belongs to an earlier sending by another machine's clock. The readable lines of a
    truncated or damaged file are sent, and `broken` says where it breaks.

    Args:
        append: called with each batch of events.
        lines: JSON objects.
        now: the time by which events are validated, aware.
        sent: called after each batch with its number of events.

    Raises:
        Exception: whatever `append` raises. Events sent before stay sent; sending them again adds nothing.
    """
    published = Published()
    payloads = _valid(lines, published, now)
    while batch := list(islice(payloads, _BATCH_EVENTS)):
        append(batch)
        published.sent += len(batch)
        sent(len(batch))
    return published


def event_of(line: bytes, *, now: datetime) -> Event | None:
    """The event of a line; None for a blank line and for a line of `zik export` that is no event.

    Raises:
        InvalidEventError: the line is not sent.
    """
    if not line:
        return None
    try:
        return decode(line, now=now)
    except InvalidEventError:
        if _is_no_event(line):
            return None
        raise


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a plain or gzipped file. Its first bytes say which it is."""
    buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)  # type: ignore[type-var]
    if buffered.peek(2)[:2] == _GZIP_MAGIC:
        return iter(gzip.GzipFile(fileobj=buffered))
    return iter(buffered)


def _valid(lines: Iterator[bytes], published: Published, now: datetime) -> Iterator[bytes]:
    """The events of the valid lines; the others are added to `published.bad`."""
    for number, raw in _readable(lines, published):
        line = raw.strip()
        try:
            event = event_of(line, now=now)
        except InvalidEventError as error:
            published.bad.append(BadLine(number, error))
            continue
        if event is not None:
            yield line if event.sent_at is None else _without_sent_at(line)


def _is_no_event(line: bytes) -> bool:
    try:
        value = from_json(line)
    except ValueError:
        return False
    return isinstance(value, dict) and list(value) in _NO_EVENTS


def _readable(lines: Iterator[bytes], published: Published) -> Iterator[tuple[int, bytes]]:
    """The numbered lines up to the first that cannot be read. Errors while processing a line are not caught here."""
    number = 0
    try:
        for number, raw in enumerate(lines, start=1):
            yield number, raw
    except _READ_ERRORS as error:
        published.broken = Break(number, _reason(error))


def _reason(error: Exception) -> str:
    """Why the file cannot be read. The texts of `gzip` are not used, because they quote the file."""
    if isinstance(error, EOFError):
        return "the file is cut off"
    return (isinstance(error, OSError) and error.strerror) or "the file is damaged"


def _without_sent_at(line: bytes) -> bytes:
    return encode({name: value for name, value in from_json(line).items() if name != "sent_at"})
