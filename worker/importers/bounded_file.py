"""Read a file in bounded memory: no row or line may exceed a limit, so no crafted file fills the memory."""

import codecs
from typing import BinaryIO, Final

from worker.errors import RowTooLargeError

# The largest row found in a real export has some 20 KiB. The limit also covers what stands between two rows.
MAX_ROW_BYTES: Final = 4 * 2**20
# Nothing stands between two lines, and an event has at most 16 KiB.
MAX_LINE_BYTES: Final = 256 * 1024


class BoundedFile:
    """Reads until `MAX_ROW_BYTES` have passed since the last row. Skips a byte order mark."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._bytes_read = 0
        self._bytes_since_row = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        is_first = self._bytes_read == 0
        self._count(chunk)
        return chunk.removeprefix(codecs.BOM_UTF8) if is_first else chunk

    def readline(self) -> bytes:
        """The next line, cut at `MAX_LINE_BYTES`. The rest of a longer line is skipped, so the next call works."""
        is_first = self._bytes_read == 0
        line = rest = self._file.readline(MAX_LINE_BYTES)
        self._bytes_read += len(line)
        while len(rest) == MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = self._file.readline(MAX_LINE_BYTES)
            self._bytes_read += len(rest)
        return line.removeprefix(codecs.BOM_UTF8) if is_first else line

    def row_ended(self) -> None:
        self._bytes_since_row = 0

    def _count(self, chunk: bytes) -> None:
        self._bytes_read += len(chunk)
        self._bytes_since_row += len(chunk)
        if self._bytes_since_row > MAX_ROW_BYTES:
            raise RowTooLargeError(f"no row ends within {MAX_ROW_BYTES:,} bytes")
