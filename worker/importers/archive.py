"""Open what a user downloaded, a zip or loose files, and check before the import that nothing is missing."""

import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, cast

from worker.errors import UnreadableFileError
from worker.escaping import printable
from worker.importers.format import ReadOrder, Recognised
from worker.importers.formats import HEAD_BYTES, READABLE, recognise
from worker.importers.rows import Notes

MAX_FILES: Final = 10_000
# Histories shrink to a tenth, or to a fiftieth if the user heard one song all year.
MAX_COMPRESSION_RATIO: Final = 250
_ZIP_MAGIC: Final = b"PK\x03\x04"
READ_ERRORS: Final = (OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


class Part(NamedTuple):
    """One readable file. `size` is in bytes, unpacked."""

    name: str
    size: int
    recognised: Recognised
    open: Callable[[], BinaryIO]


@dataclass
class Archive:
    """The files of one download, in the order in which they must be read, because some refer to others."""

    parts: list[Part]
    notes: Notes = field(default_factory=Notes)

    def __post_init__(self) -> None:
        self.parts.sort(key=lambda part: part.recognised.order)

    def prepare(self, *, user: str | None, timezone: tzinfo | None) -> None:
        """Read the account file, and check that user and timezone are known, before anything is published.

        Raises:
            UnreadableFileError: names the option that is missing.
        """
        self.notes.timezone = timezone
        for part in self.parts:
            if part.recognised.order is ReadOrder.ACCOUNT:
                with suppress(*READ_ERRORS), part.open() as file:
                    _ = list(part.recognised.read(file, self.notes))
        self.parts = [part for part in self.parts if part.recognised.order is not ReadOrder.ACCOUNT]
        for part in self.parts:
            if part.recognised.needs_timezone and timezone is None:
                raise UnreadableFileError(
                    f"{part.name}: has local times without an offset; add --timezone ZONE, such as Europe/Berlin"
                )
            if not (user or self.user_of(part)):
                raise UnreadableFileError(f"{part.name}: does not name its user; add --user NAME")

    def user_of(self, part: Part) -> str | None:
        return part.recognised.user or self.notes.user


def open_archives(names: list[str], files: ExitStack) -> tuple[list[Archive], list[str]]:
    """Recognise files. Each zip is an archive of its own; all loose files together are one that the user unpacked.

    Returns:
        The archives, and an error text for each file that cannot be read.
    """
    archives: list[Archive] = []
    loose: list[Part] = []
    unread: list[str] = []
    for name in names:
        try:
            parts, is_zip = _parts(name, files)
        except UnreadableFileError as error:
            unread.append(str(error))
        # RuntimeError: the zip needs a password, or Python does not know its compression.
        except (*READ_ERRORS, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            unread.append(f"{printable(name)}: cannot be read: {printable(reason)}")
        else:
            archives += [Archive(parts)] if is_zip else []
            loose += [] if is_zip else parts
    return [*archives, Archive(loose)] if loose else archives, unread


def _parts(name: str, files: ExitStack) -> tuple[list[Part], bool]:
    path = Path(name)
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(_ZIP_MAGIC):
        return _zipped(name, path, files), True
    recognised = recognise(head)
    if recognised is None:
        raise UnreadableFileError(f"{printable(name)}: unrecognised format; zik reads {READABLE}")
    return [Part(printable(name), path.stat().st_size, recognised, lambda: path.open("rb"))], False


def _zipped(name: str, path: Path, files: ExitStack) -> list[Part]:
    zipped = files.enter_context(zipfile.ZipFile(path))
    members = [member for member in zipped.infolist() if not member.is_dir()]
    unpacked_bytes = sum(member.file_size for member in members)
    if len(members) > MAX_FILES or unpacked_bytes > MAX_COMPRESSION_RATIO * path.stat().st_size:
        raise UnreadableFileError(
            f"{printable(name)}: suspected zip bomb ({len(members):,} files, {unpacked_bytes:,} bytes unpacked); "
            "unpack it yourself and import the files"
        )
    parts = list(_recognised_members(name, zipped, members))
    if not parts:
        raise UnreadableFileError(f"{printable(name)}: contains no file of a recognised format; zik reads {READABLE}")
    return parts


def _recognised_members(name: str, zipped: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> Iterator[Part]:
    for member in members:
        with zipped.open(member) as file:
            recognised = recognise(file.read(HEAD_BYTES))
        if recognised:
            place = f"{printable(name)}/{printable(member.filename)}"
            yield Part(place, member.file_size, recognised, _opener(zipped, member))


def _opener(zipped: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    return lambda: cast("BinaryIO", io.BufferedReader(zipped.open(member)))
