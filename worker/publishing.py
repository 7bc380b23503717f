"""Publish files of events, one JSON object a line: what is valid is sent, what is not is told."""

import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Final

from pydantic_core import from_json

from worker.codec import decode, encode
from worker.errors import InvalidEventError

_GZIP_MAGIC: Final = b"\x1f\x8b"
_CHUNK: Final = 1_000


@dataclass(frozen=True)
class BadLine:
    """A line that was not sent, counted from 1."""

    number: int
    error: InvalidEventError


@dataclass
class Published:
    sent: int = 0
    bad: list[BadLine] = field(default_factory=list)


def publish_lines(
    append: Callable[[list[bytes]], object],
    lines: Iterator[bytes],
    *,
    now: datetime,
    sent: Callable[[int], None] = lambda _: None,
) -> Published:
    """Check each line and send the valid ones, as they are and in order. Blank lines are passed over.

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

    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if not line:
            continue
        try:
            event = decode(line, now=now)
        except InvalidEventError as error:
            published.bad.append(BadLine(number, error))
            continue
        chunk.append(line if event.sent_at is None else _without_sent_at(line))
        if len(chunk) == _CHUNK:
            flush()
    if chunk:
        flush()
    return published


def _without_sent_at(line: bytes) -> bytes:
    return encode({name: value for name, value in from_json(line).items() if name != "sent_at"})


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a plain or gzipped file, told apart by how it begins."""
    buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)  # type: ignore[type-var]
    if buffered.peek(2)[:2] == _GZIP_MAGIC:
        return iter(gzip.GzipFile(fileobj=buffered))
    return iter(buffered)
