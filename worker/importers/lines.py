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
            if len(line) == MAX_LINE_CHARACTERS and not line.endswith("\n"):
                _skip_rest(text)
                rule = f"a line has at most {MAX_LINE_CHARACTERS:,} characters"
                yield number, Refusal(f"line {number}", Reason.TOO_LARGE, rule)
            elif line.isascii() or _is_utf_8(line):
                yield number, line.removesuffix("\n")
            else:
                rule = "must be UTF-8; or add --encoding, such as cp1252"
                yield number, Refusal(f"line {number}", Reason.BAD_ENCODING, rule)
    finally:
        # Else its end would close the file, which the caller opened.
        text.detach()


def _skip_rest(text: io.TextIOWrapper) -> None:
    """Read to the end of a line, so that the next one can be read."""
    while (rest := text.readline(MAX_LINE_CHARACTERS)) and not rest.endswith("\n"):
        pass


def _is_utf_8(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True
