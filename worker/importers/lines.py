"""Read lines in bounded memory, whether they end with LF, CR LF or CR."""

import io
from collections.abc import Iterator
from typing import BinaryIO, Final

from worker.errors import Reason
from worker.importers.rows import Refusal

# An event has at most 16 KiB. The lines of a wide table have some 2 KiB.
MAX_LINE_CHARACTERS: Final = 256 * 1024

Line = str | Refusal


def numbered_lines(file: BinaryIO) -> Iterator[tuple[int, Line]]:
    """The lines, numbered from 1 and without their ends; a refusal in place of one that is too long or not UTF-8."""
    # Bytes that are not UTF-8 become surrogates, so that one bad line does not end the file.
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline=None)
    number = 0
    try:
        while line := text.readline(MAX_LINE_CHARACTERS):
            number += 1
            yield number, _checked(f"line {number}", line, is_whole=_skip_rest(text, line))
    finally:
        # Else its end would close the file, which the caller opened.
        text.detach()


def _skip_rest(text: io.TextIOWrapper, line: str) -> bool:
    """Whether the line was whole. The rest of a longer one is skipped, so that the next one can be read."""
    rest = line
    while len(rest) == MAX_LINE_CHARACTERS and not rest.endswith("\n"):
        rest = text.readline(MAX_LINE_CHARACTERS)
    return rest is line


def _checked(place: str, line: str, *, is_whole: bool) -> Line:
    if not is_whole:
        return Refusal(place, Reason.TOO_LARGE, f"a line has at most {MAX_LINE_CHARACTERS:,} characters")
    if not line.isascii():
        try:
            line.encode()
        except UnicodeEncodeError:
            return Refusal(place, Reason.BAD_ENCODING, "must be UTF-8; or add --encoding, such as cp1252")
    return line.removesuffix("\n")
