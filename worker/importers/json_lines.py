"""Publish files of events, one JSON object a line: what is valid is sent, what is not is told."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Final

from pydantic_core import from_json

from worker.contract.codec import decode, encode
from worker.contract.events import Event
from worker.errors import InvalidEventError

_GZIP_MAGIC: Final = b"\x1f\x8b"
_CHUNK: Final = 1_000
# What a line of an export has, alone, that is no event.
ACCOUNT: Final = "listener"
LETTER: Final = "dead_letter"
# A gzipped file that is cut off ends with EOFError; BadGzipFile and a disk that fails are OSErrors.
_UNREADABLE: Final = (OSError, EOFError, zlib.error)


@dataclass(frozen=True)
class BadLine:
    """A line that was not sent, counted from 1."""

    number: int
    error: InvalidEventError


@dataclass(frozen=True)
class Break:
    """Where a file could not be read on: after how many lines, and why."""

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
    """Check each line and send the valid ones, as they are and in order.

    Of a file that is cut off or damaged the lines before are sent, and `broken` tells how far they went.

    Only a `sent_at` is taken out: it is of an earlier sending, by another clock than this machine's.

    `append` takes a batch of events. `sent` is called after each round trip, with the number of lines that it carried.

    Raises:
        Exception: whatever `append` raises; what was sent stays sent, and sending it again adds nothing.
    """
    published = Published()
    chunk: list[bytes] = []

    def flush() -> None:
        append(chunk)
        published.sent += len(chunk)
        sent(len(chunk))
        chunk.clear()

    for number, raw in _readable(lines, published):
        line = raw.strip()
        try:
            event = event_of(line, now=now)
        except InvalidEventError as error:
            published.bad.append(BadLine(number, error))
            continue
        if event is None:
            continue
        chunk.append(line if event.sent_at is None else _without_sent_at(line))
        if len(chunk) == _CHUNK:
            flush()
    if chunk:
        flush()
    return published


def event_of(line: bytes, *, now: datetime) -> Event | None:
    """The event of a line, or None for one that is passed over: a blank one, and what an export tells beside events.

    Raises:
        InvalidEventError: the line is not sent.
    """
    if not line:
        return None
    try:
        return decode(line, now=now)
    except InvalidEventError:
        if _is_told_beside(line):
            return None
        raise


def _is_told_beside(line: bytes) -> bool:
    try:
        value = from_json(line)
    except ValueError:
        return False
    return isinstance(value, dict) and list(value) in ([ACCOUNT], [LETTER])


def _readable(lines: Iterator[bytes], published: Published) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers, as far as they can be read. What becomes of them is beyond this."""
    number = 0
    try:
        for number, raw in enumerate(lines, start=1):
            yield number, raw
    except _UNREADABLE as error:
        published.broken = Break(number, _reason(error))


def _reason(error: Exception) -> str:
    """In our own words: those of `gzip` quote the file."""
    if isinstance(error, EOFError):
        return "the file is cut off"
    return (isinstance(error, OSError) and error.strerror) or "the file is damaged"


def _without_sent_at(line: bytes) -> bytes:
    return encode({name: value for name, value in from_json(line).items() if name != "sent_at"})


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a plain or gzipped file, told apart by how it begins."""
    buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)  # type: ignore[type-var]
    if buffered.peek(2)[:2] == _GZIP_MAGIC:
        return iter(gzip.GzipFile(fileobj=buffered))
    return iter(buffered)
