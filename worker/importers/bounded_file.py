"""Read a file in bounded memory: no row may exceed a limit, so no crafted file fills the memory."""

import codecs
from typing import BinaryIO, Final

from worker.errors import RowTooLargeError

# The largest row found in a real export has some 20 KiB. The limit also covers what stands between two rows.
MAX_ROW_BYTES: Final = 4 * 2**20


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

    def row_ended(self) -> None:
        self._bytes_since_row = 0

    def _count(self, chunk: bytes) -> None:
        self._bytes_read += len(chunk)
        self._bytes_since_row += len(chunk)
        if self._bytes_since_row > MAX_ROW_BYTES:
            raise RowTooLargeError(f"no row ends within {MAX_ROW_BYTES:,} bytes")
