"""Open what a user downloaded, a zip, a folder or loose files, and check before the import that nothing is missing."""

import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, cast

from worker.errors import UnreadableFileError
from worker.escaping import printable
from worker.importers.format import ReadOrder, Recognised
from worker.importers.formats import HEAD_BYTES, READABLE, recognise
from worker.importers.opening import GZIP_MAGIC, MAX_COMPRESSION_RATIO, Opener, readable
from worker.importers.rows import Notes
from worker.importers.unread import WORKBOOK, what_it_is

MAX_FILES: Final = 10_000
_ZIP_MAGIC: Final = b"PK\x03\x04"
# Of the files in an archive that has no plays, the first ones are named.
_MAX_NAMED: Final = 10
# The last bytes of a gzipped file are its size unpacked, modulo 2^32.
_GZIP_SIZE_BYTES: Final = 4
READ_ERRORS: Final = (OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


class Part(NamedTuple):
    """One readable file. `size` is in bytes, unpacked."""

    name: str
    size: int
    recognised: Recognised
    open: Opener


@dataclass
class Archive:
    """The files of one download, in the order in which they must be read, because some refer to others."""

    parts: list[Part]
    notes: Notes = field(default_factory=Notes)

    def __post_init__(self) -> None:
        self.parts.sort(key=lambda part: part.recognised.order)

    def prepare(self, *, user: str | None, has_timezone: bool) -> None:
        """Read the account file, and check that user and timezone are known, before anything is published.

        Raises:
            UnreadableFileError: names the option that is missing.
        """
        for part in self.parts:
            if part.recognised.order is ReadOrder.ACCOUNT:
                with suppress(*READ_ERRORS), part.open() as file:
                    _ = list(part.recognised.read(file, self.notes))
        self.parts = [part for part in self.parts if part.recognised.order is not ReadOrder.ACCOUNT]
        for part in self.parts:
            if part.recognised.needs_timezone and not has_timezone:
                raise UnreadableFileError(
                    f"{part.name}: has local times without an offset; add --timezone ZONE, such as Europe/Berlin"
                )
            if not (user or self.user_of(part)):
                raise UnreadableFileError(f"{part.name}: does not name its user; add --user NAME")

    def user_of(self, part: Part) -> str | None:
        return part.recognised.user or self.notes.user


class _Source(NamedTuple):
    """A file that may be of a known format. `size` is in bytes, unpacked."""

    name: str
    size: int
    open: Opener


def open_archives(
    names: Iterable[str], files: ExitStack, *, encoding: str | None = None
) -> tuple[list[Archive], list[str]]:
    """Recognise files. Zips and folders are an archive each; all loose files together are one that the user unpacked.

    Args:
        names: paths of files and folders.
        files: closes the zips.
        encoding: of files without a mark; UTF-8 if None.

    Returns:
        The archives, and an error text for each file that cannot be read.
    """
    opening = _Opening(files, encoding)
    loose: list[Part] = []
    for name in names:
        with opening.noting_errors(printable(name)):
            path = Path(name)
            if path.is_dir():
                opening.open_folder(path)
            elif _is_zip(path):
                opening.add(printable(name), _members(path, files))
            else:
                loose.append(_part(_file(path), encoding))
    return [*opening.archives, Archive(loose)] if loose else opening.archives, opening.unread


class _UnknownFormatError(UnreadableFileError):
    """A file of no known format. In a zip or a folder it is no fault, because exports have many."""


@dataclass
class _Opening:
    """Archives as they are found, and what cannot be read."""

    files: ExitStack
    encoding: str | None
    archives: list[Archive] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    @contextmanager
    def noting_errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except UnreadableFileError as error:
            self.unread.append(str(error))
        # RuntimeError: the zip needs a password, or Python does not know its compression.
        except (*READ_ERRORS, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self.unread.append(f"{name}: cannot be read: {printable(reason)}")

    def open_folder(self, folder: Path) -> None:
        """Add the zips in a folder, and an archive of its other files."""
        paths = sorted(Path(above, name) for above, _, below in os.walk(folder) for name in below)
        paths = [path for path in paths if path.is_file()]
        name = printable(str(folder))
        if len(paths) > MAX_FILES:
            raise UnreadableFileError(f"{name}: has {len(paths):,} files; import the folder of your export")
        known_before, loose = len(self.archives), []
        for path in paths:
            with self.noting_errors(printable(str(path))), suppress(_UnknownFormatError):
                if _is_zip(path):
                    self.add(printable(str(path)), _members(path, self.files))
                else:
                    loose.append(_file(path))
        with suppress(_UnknownFormatError) if len(self.archives) > known_before else nullcontext():
            self.add(name, loose)

    def add(self, name: str, sources: Iterable[_Source]) -> None:
        """Add an archive of the files that have a known format.

        Raises:
            UnreadableFileError: there are none. The text says what the first ones are.
        """
        parts: list[Part] = []
        unknown: list[str] = []
        unread_before = len(self.unread)
        for source in sources:
            with self.noting_errors(source.name):
                try:
                    parts.append(_part(source, self.encoding))
                except _UnknownFormatError as error:
                    unknown.append(str(error))
        if parts:
            self.archives.append(Archive(parts))
        elif len(self.unread) == unread_before:
            named = "".join(f"\n  {text}" for text in unknown[:_MAX_NAMED] if READABLE not in text)
            raise _UnknownFormatError(f"{name}: contains no file of a recognised format; zik reads {READABLE}{named}")


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC


def _file(path: Path) -> _Source:
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(len(GZIP_MAGIC)) == GZIP_MAGIC and size > _GZIP_SIZE_BYTES:
            file.seek(-_GZIP_SIZE_BYTES, os.SEEK_END)
            size = int.from_bytes(file.read(), "little")
    return _Source(printable(str(path)), size, lambda: path.open("rb"))


def _members(path: Path, files: ExitStack) -> list[_Source]:
    name = printable(str(path))
    zipped = files.enter_context(zipfile.ZipFile(path))
    members = [member for member in zipped.infolist() if not member.is_dir()]
    unpacked_bytes = sum(member.file_size for member in members)
    if len(members) > MAX_FILES or unpacked_bytes > MAX_COMPRESSION_RATIO * path.stat().st_size:
        raise UnreadableFileError(
            f"{name}: suspected zip bomb ({len(members):,} files, {unpacked_bytes:,} bytes unpacked); "
            "unpack it yourself and import the files"
        )
    if any(member.filename.startswith("xl/") for member in members):
        raise UnreadableFileError(f"{name}: {WORKBOOK}")
    return [
        _Source(f"{name}/{printable(member.filename)}", member.file_size, _opener(zipped, member)) for member in members
    ]


def _opener(zipped: zipfile.ZipFile, member: zipfile.ZipInfo) -> Opener:
    return lambda: cast("BinaryIO", io.BufferedReader(zipped.open(member)))


def _part(source: _Source, encoding: str | None) -> Part:
    """A file as a part.

    Raises:
        UnreadableFileError: it has no known format. The text says what it is, if that is known.
    """
    open_readable = readable(source.open, encoding)
    with open_readable() as file:
        head = file.read(HEAD_BYTES)
    recognised = recognise(head)
    if recognised is None:
        what = what_it_is(head) or f"unrecognised format; zik reads {READABLE}"
        raise _UnknownFormatError(f"{source.name}: {what}")
    return Part(source.name, source.size, recognised, open_readable)
