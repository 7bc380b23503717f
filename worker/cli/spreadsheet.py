"""Write CSV that a spreadsheet opens as it is meant, and computes nothing of."""

import csv
import os
import stat
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from worker.escaping import spreadsheet_cell


def write_csv(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """To standard output. A file begins with a byte order mark; a program that reads a pipe would take it for text."""
    if _is_file(sys.stdout):
        # Excel takes a CSV without the mark for the system's old encoding.
        sys.stdout.write("\ufeff")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([spreadsheet_cell(value) if isinstance(value, str) else value for value in row] for row in rows)


def _is_file(stream: TextIO) -> bool:
    """Whether it is a file with a name, for someone to open. A temporary one without a name is another kind of pipe."""
    try:
        status = os.fstat(stream.fileno())
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_nlink > 0
