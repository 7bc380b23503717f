"""A file read no further than a row can reach, so that no export, however made, fills the memory."""

import codecs
from typing import BinaryIO, Final

from worker.errors import RowTooLargeError

# The largest row seen in the wild is some 20 KiB; this leaves room for what stands between two of them.
MAX_ROW_BYTES: Final = 4 * 2**20
# Between two lines there is nothing, and an event has at most 16 KiB.
MAX_LINE_BYTES: Final = 256 * 1024


class MeteredFile:
    """Reads on, counting, until too many bytes have passed since the last row. A byte order mark is passed over."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.consumed = 0
        self._since_row = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        begins = self.consumed == 0
        self._count(chunk)
        return chunk.removeprefix(codecs.BOM_UTF8) if begins else chunk

    def readline(self) -> bytes:
        """The next line, of which what is beyond the bound is dropped: the line will not be a row, the next may be."""
        begins = self.consumed == 0
        line = rest = self._file.readline(MAX_LINE_BYTES)
        self.consumed += len(line)
        while len(rest) == MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = self._file.readline(MAX_LINE_BYTES)
            self.consumed += len(rest)
        return line.removeprefix(codecs.BOM_UTF8) if begins else line

    def row_ended(self) -> None:
        self._since_row = 0

    def _count(self, chunk: bytes) -> None:
        self.consumed += len(chunk)
        self._since_row += len(chunk)
        if self._since_row > MAX_ROW_BYTES:
            raise RowTooLargeError(f"no row ends within {MAX_ROW_BYTES:,} bytes")
