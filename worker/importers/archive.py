"""What somebody has downloaded: a zip, or files that belong together."""

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
from worker.importers.format import ACCOUNT, Recognised
from worker.importers.formats import HEAD_BYTES, recognise
from worker.importers.rows import Notes

MAX_MEMBERS: Final = 10_000
# Histories shrink to a tenth, and to a fiftieth where somebody heard one song all year.
MAX_RATIO: Final = 250
_ZIP_MAGIC: Final = b"PK\x03\x04"
UNREADABLE: Final = (OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


class Part(NamedTuple):
    """One readable file. `size` is in bytes, unpacked."""

    name: str
    size: int
    recognised: Recognised
    open: Callable[[], BinaryIO]


@dataclass
class Export:
    """Parts that explain each other, in the order in which they must be read."""

    parts: list[Part]
    notes: Notes = field(default_factory=Notes)

    def __post_init__(self) -> None:
        self.parts.sort(key=lambda part: part.recognised.rank)

    def prepare(self, *, user: str | None, timezone: tzinfo | None) -> None:
        """See that everything is known that the files themselves do not say, before anything is sent.

        Raises:
            UnreadableFileError: names the option that is missing.
        """
        self.notes.timezone = timezone
        for part in self.parts:
            if part.recognised.rank == ACCOUNT:
                with suppress(*UNREADABLE), part.open() as file:
                    _ = list(part.recognised.read(file, self.notes))
        self.parts = [part for part in self.parts if part.recognised.rank != ACCOUNT]
        for part in self.parts:
            if part.recognised.needs_timezone and timezone is None:
                raise UnreadableFileError(
                    f"{part.name}: its times are local ones: say where with --timezone, as in Europe/Berlin"
                )
            if not (user or self.user_of(part)):
                raise UnreadableFileError(f"{part.name}: does not say whose history it is: add --user NAME")

    def user_of(self, part: Part) -> str | None:
        return part.recognised.user or self.notes.user


def open_exports(names: list[str], files: ExitStack) -> tuple[list[Export], list[str]]:
    """Recognise files, each zip as an export of its own, and loose files as one that somebody has unpacked.

    Returns:
        The exports, and for each file that is none a complaint.
    """
    exports: list[Export] = []
    loose: list[Part] = []
    complaints: list[str] = []
    for name in names:
        try:
            parts, is_zip = _parts(name, files)
        except UnreadableFileError as error:
            complaints.append(str(error))
        # RuntimeError: a password, or a compression that Python does not know.
        except (*UNREADABLE, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            complaints.append(f"{printable(name)}: cannot be read: {printable(reason)}")
        else:
            exports += [Export(parts)] if is_zip else []
            loose += [] if is_zip else parts
    return [*exports, Export(loose)] if loose else exports, complaints


def _parts(name: str, files: ExitStack) -> tuple[list[Part], bool]:
    path = Path(name)
    with path.open("rb") as file:
        beginning = file.read(HEAD_BYTES)
    if beginning.startswith(_ZIP_MAGIC):
        return _zipped(name, path, files), True
    recognised = recognise(beginning)
    if recognised is None:
        raise UnreadableFileError(f"{printable(name)}: is no listening history that zik knows")
    return [Part(printable(name), path.stat().st_size, recognised, lambda: path.open("rb"))], False


def _zipped(name: str, path: Path, files: ExitStack) -> list[Part]:
    archive = files.enter_context(zipfile.ZipFile(path))
    members = [member for member in archive.infolist() if not member.is_dir()]
    unpacked = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS or unpacked > MAX_RATIO * path.stat().st_size:
        raise UnreadableFileError(
            f"{printable(name)}: looks made to fill a disk ({len(members):,} files, {unpacked:,} bytes unpacked): "
            "unpack it yourself and import the files"
        )
    parts = list(_recognised_members(name, archive, members))
    if not parts:
        raise UnreadableFileError(f"{printable(name)}: holds no listening history that zik knows")
    return parts


def _recognised_members(name: str, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> Iterator[Part]:
    for member in members:
        with archive.open(member) as file:
            recognised = recognise(file.read(HEAD_BYTES))
        if recognised:
            place = f"{printable(name)}/{printable(member.filename)}"
            yield Part(place, member.file_size, recognised, _opener(archive, member))


def _opener(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    return lambda: cast("BinaryIO", io.BufferedReader(archive.open(member)))
