"""Open a file as UTF-8, whether it is gzipped, or in another encoding that it marks or its user names."""

import codecs
import gzip
import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

Opener = Callable[[], BinaryIO]

# Histories shrink to a tenth, or to a fiftieth if the user heard one song all year.
MAX_COMPRESSION_RATIO: Final = 250
GZIP_MAGIC: Final = b"\x1f\x8b"
_CHUNK_BYTES: Final = 64 * 1024
_MARKS: Final = {
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    # The `#` of the first line of Libre.fm's export, which is in UTF-7.
    b"+ACM-": "utf-7",
}


def readable(open_file: Opener, encoding: str | None = None) -> Opener:
    """An opener of the same file as UTF-8. Bytes that its encoding does not have stay, so they are no UTF-8.

    Args:
        open_file: opens the file as it is.
        encoding: of a file without a mark; UTF-8 if None.
    """

    def open_readable() -> BinaryIO:
        file = _buffered(open_file())
        if file.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC):
            file = _buffered(_Converted(file, _unpacked(file)))
        head = file.peek(len(b"+ACM-"))
        marked = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
        if head.startswith(codecs.BOM_UTF8) or not (name := marked or encoding):
            return file
        return _buffered(_Converted(file, _recoded(file, name)))

    return open_readable


def _buffered(file: Any) -> io.BufferedReader:
    return file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)


class _Converted(io.RawIOBase):
    """A file whose bytes are made of those of another, which it closes with itself."""

    def __init__(self, file: BinaryIO, chunks: Iterator[bytes]) -> None:
        self._file = file
        self._chunks = chunks
        self._chunk = b""
        self._bytes_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        while not self._chunk:
            if (chunk := next(self._chunks, None)) is None:
                return 0
            self._chunk = chunk
        count = min(len(buffer), len(self._chunk))
        buffer[:count], self._chunk = self._chunk[:count], self._chunk[count:]
        self._bytes_read += count
        return count

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        return self._bytes_read

    def close(self) -> None:
        self._file.close()
        super().close()


def _unpacked(file: io.BufferedReader) -> Iterator[bytes]:
    unpacked_bytes = 0
    with gzip.GzipFile(fileobj=file) as unpacked:
        while chunk := unpacked.read(_CHUNK_BYTES):
            unpacked_bytes += len(chunk)
            if unpacked_bytes > MAX_COMPRESSION_RATIO * (file.tell() + _CHUNK_BYTES):
                raise gzip.BadGzipFile("suspected gzip bomb")
            yield chunk


def _recoded(file: BinaryIO, encoding: str) -> Iterator[bytes]:
    # UTF-16 has no bytes that another encoding could mean.
    errors = "replace" if encoding.lower().startswith("utf-16") else "surrogateescape"
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    while chunk := file.read(_CHUNK_BYTES):
        yield _utf_8(decoder.decode(chunk))
    yield _utf_8(decoder.decode(b"", final=True))


def _utf_8(text: str) -> bytes:
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text.encode(errors="replace")
