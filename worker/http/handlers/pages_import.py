"""Serve the import of a history in the browser: upload, look, publish, take back. Each user imports their own."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Final
from uuid import uuid4

from sqlalchemy import Engine
from starlette.requests import Request
from starlette.routing import BaseRoute

from worker.contract.clock_skew import utc_now
from worker.database.engine import snapshot
from worker.http.body import read_body
from worker.http.endpoint import Answer
from worker.http.forms import parameters
from worker.http.import_job import Job, path_of, sweep
from worker.http.imports import Imports
from worker.http.page_access import own_frame, own_visit, page_endpoints
from worker.http.page_answers import no_such_page, page_answer, redirect
from worker.http.refusals import RequestRefusedError
from worker.http.services import Services
from worker.http.sessions import Sessions
from worker.http.uploads import MAX_UPLOAD_BYTES, Upload, Uploads, save
from worker.importers.formats import READABLE
from worker.importers.options import ENCODING, SHIFT, TIMEZONE, UNDATED, OptionError, clock_of, encoding_of
from worker.importers.run import new_import_id
from worker.operations.corrections import Imported, imports
from worker.pages.text import short
from worker.statistics import find_listener

_GONE = "the file is no longer on this server: it is kept for a day, so upload it again"


def routes(services: Services) -> Sequence[BaseRoute]:
    """`/import` and `/import/…`."""
    pages = _Imports(services)
    found = {
        ("GET", "/import"): pages.ask,
        ("POST", "/import"): pages.upload,
        ("GET", "/import/{id}"): pages.show,
        ("POST", "/import/{id}/read"): pages.read,
        ("POST", "/import/{id}/publish"): pages.publish,
        ("POST", "/import/{id}/discard"): pages.discard,
        ("POST", "/import/{id}/undo"): pages.undo,
    }
    return page_endpoints(services, found)


class _Imports:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._sessions = Sessions(services)
        self._uploads = Uploads()

    @property
    def _imports(self) -> Imports:
        return self._services.imports

    async def ask(self, request: Request) -> Answer:
        visit, token = await own_visit(self._sessions, request)
        found = await self._services.in_database(_imports_of, token.username)
        most = f"{MAX_UPLOAD_BYTES // 2**20} MB"
        return page_answer("import", own_frame(request, visit), imports=found, most=most, readable=READABLE)

    async def upload(self, request: Request) -> Answer:
        visit, token = await own_visit(self._sessions, request)
        upload = await self._uploads.receive(request)
        try:
            visit.check(upload.fields)
            job = _job_of(upload, token.username)
            await asyncio.to_thread(_keep, upload, job)
        finally:
            await upload.file.close()
        await self._imports.read(job)
        return redirect(f"/import/{job.id}")

    async def show(self, request: Request) -> Answer:
        return await self._show(request)

    async def read(self, request: Request) -> Answer:
        """Once more, with what is said about its times and its encoding now."""
        sent, user = await self._sent(request)
        job = await self._job(request, user)
        if not job.is_busy:
            problem = _tell(job, sent)
            if problem:
                return await self._show(request, job, problem)
            _check_there(job)
            await self._imports.read(job)
        return redirect(f"/import/{job.id}")

    async def _show(self, request: Request, job: Job | None = None, problem: str = "") -> Answer:
        visit, token = await own_visit(self._sessions, request)
        frame = own_frame(request, visit)
        job = job or await self._job(request, token.username)
        return page_answer("import_job", frame, status=400 if problem else 200, job=job, problem=problem)

    async def publish(self, request: Request) -> Answer:
        _, user = await self._sent(request)
        job = await self._job(request, user)
        if not job.is_busy:
            _check_there(job)
            await self._imports.publish(job)
        return redirect(f"/import/{job.id}")

    async def discard(self, request: Request) -> Answer:
        _, user = await self._sent(request)
        job = await self._job(request, user)
        if not job.is_busy:
            await self._imports.discard(job)
        return redirect("/import")

    async def undo(self, request: Request) -> Answer:
        """Also of an import that was made with the command."""
        _, user = await self._sent(request)
        job_id = request.path_params["id"]
        job = await self._imports.find(user, job_id)
        if job is None:
            known = await self._services.in_database(_imports_of, user)
            if job_id not in {each.import_id for each in known}:
                raise no_such_page()
            job = Job(job_id, user, phase="imported")
        if not job.is_busy:
            await self._imports.undo(job)
        return redirect(f"/import/{job.id}")

    async def _sent(self, request: Request) -> tuple[dict[str, str], str]:
        """The fields of a form that this browser has sent, and its user."""
        visit, token = await own_visit(self._sessions, request)
        sent = parameters(request, await read_body(request))
        visit.check(sent)
        return sent, token.username

    async def _job(self, request: Request, user: str) -> Job:
        job = await self._imports.find(user, request.path_params["id"])
        if job is None:
            raise no_such_page()
        return job


def _job_of(upload: Upload, user: str) -> Job:
    name = short(PurePath(upload.name.replace("\\", "/")).name)
    job = Job(new_import_id(uuid4()), user, name)
    if problem := _tell(job, upload.fields):
        raise RequestRefusedError(400, problem)
    return job


def _tell(job: Job, sent: Mapping[str, str]) -> str:
    """Note what a form says of the file's times and encoding. Returns which field makes no sense, and why."""
    job.zone = " ".join(sent.get("timezone", "").split())
    job.undated, job.shift, job.encoding = (sent.get(name, "").strip() for name in ("undated", "shift", "encoding"))
    try:
        clock_of(job.zone.split(), job.shift or None, job.undated or None, today=utc_now().date())
        encoding_of(job.encoding or None)
    except OptionError as error:
        return f"{_FIELDS[error.option]}: {error}"
    return ""


# As their labels begin.
_FIELDS: Final = {TIMEZONE: "Where you were", UNDATED: "The day", SHIFT: "How far behind", ENCODING: "The encoding"}


def _keep(upload: Upload, job: Job) -> None:
    sweep(job)
    save(upload.file, path_of(job))


def _check_there(job: Job) -> None:
    if not path_of(job).exists():
        raise RequestRefusedError(410, _GONE)


def _imports_of(engine: Engine, user: str) -> Sequence[Imported]:
    """Latest first."""
    with snapshot(engine) as session:
        return imports(session.connection(), find_listener(session.connection(), user).id)[::-1]
