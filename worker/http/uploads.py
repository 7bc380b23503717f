"""Take an uploaded file to the disk: bounded in size and time, and never as a whole in memory."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from worker.http.body import BODY_TIMEOUT_S, ClientGoneError
from worker.http.refusals import RequestRefusedError, busy

# The largest export known has some 60 MB, packed.
MAX_UPLOAD_BYTES: Final = 128 * 2**20
# What stays free on the disk. While it is received, a file is there twice.
_KEEP_FREE_BYTES: Final = 256 * 2**20
_AT_ONCE: Final = 2
_MOST_FIELDS: Final = 10


class Upload(NamedTuple):
    """A form: the name of its file as the browser says it, the file, and the other fields."""

    name: str
    file: UploadFile
    fields: Mapping[str, str]


class Uploads:
    """Receives two files at once in each process, so that uploads neither fill the disk nor keep others waiting."""

    def __init__(self) -> None:
        self._receiving = 0

    async def receive(self, request: Request) -> Upload:
        """Read a form with one file. Close the file.

        Raises:
            RequestRefusedError: 400 for another body, 413 above `MAX_UPLOAD_BYTES`, 408 where nothing comes for
                `BODY_TIMEOUT_S`, 503 while others upload or the disk is full.
            ClientGoneError: the browser has closed the connection.
        """
        if self._receiving >= _AT_ONCE:
            raise busy("others upload a file at this moment: try again in a minute")
        if shutil.disk_usage(tempfile.gettempdir()).free < 2 * MAX_UPLOAD_BYTES + _KEEP_FREE_BYTES:
            raise busy("there is no room for a file on this server: ask its operator to make some")
        self._receiving += 1
        try:
            return await _received(request)
        finally:
            self._receiving -= 1


async def _received(request: Request) -> Upload:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise RequestRefusedError(400, "send the file with the form of the page")
    parser = MultiPartParser(request.headers, _bounded(request), max_files=1, max_fields=_MOST_FIELDS)
    try:
        form = await parser.parse()
    except MultiPartException:
        raise RequestRefusedError(400, "the form is damaged: send it again") from None
    except ClientDisconnect:
        raise ClientGoneError from None
    fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    file = next((value for value in form.values() if isinstance(value, UploadFile)), None)
    if file is None or not file.filename:
        raise RequestRefusedError(400, "no file was chosen: choose one, and send the form again")
    return Upload(file.filename, file, fields)


async def _bounded(request: Request) -> AsyncGenerator[bytes, None]:
    size = 0
    chunks = request.stream()
    while True:
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise RequestRefusedError(408, f"nothing arrived for {BODY_TIMEOUT_S:.0f} s: send the file again") from None
        if chunk is None:
            return
        size += len(chunk)
        if size > MAX_UPLOAD_BYTES:
            most = f"{MAX_UPLOAD_BYTES // 2**20} MB"
            raise RequestRefusedError(413, f"the file has more than {most}: import it with `zik import`")
        yield chunk


def save(file: UploadFile, path: Path) -> int:
    """Copy the file to `path`, for its owner alone, and return its size."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("wb") as saved:
        shutil.copyfileobj(file.file, saved)
    return path.stat().st_size
