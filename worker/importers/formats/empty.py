"""Leave out an empty list, such as Spotify's history of the videos that somebody never watched."""

from collections.abc import Iterator
from typing import BinaryIO

from worker.importers.format import Head, Recognised
from worker.importers.rows import LeftOut, Notes, Row


class EmptyList:
    name = "empty list"
    looks_like = "[]"

    def recognise(self, head: Head) -> Recognised | None:
        if b"".join(head.bytes.split()) != b"[]":
            return None

        def read(_: BinaryIO, __: Notes) -> Iterator[Row]:
            yield LeftOut("row 1", "empty file")

        return Recognised(self.name, "", read)


FORMATS = (EmptyList(),)
