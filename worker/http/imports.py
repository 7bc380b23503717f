"""Run imports behind the requests: read an upload, publish it, take an import back. Every process sees the progress."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from functools import partial
from typing import Final

import msgspec
from sqlalchemy import Engine

from worker.books import outcomes
from worker.contract.clock_skew import utc_now
from worker.database.engine import snapshot
from worker.errors import StreamFullError, UnreadableFileError, ZikError
from worker.http.import_job import KEEP_S, Job, Phase, path_of, remove
from worker.importers import Importer, Summary, open_archives, unmatched_loves
from worker.importers.options import clock_of
from worker.importers.outline import outline_of, without_options
from worker.importers.run import marking
from worker.operations.corrections import Choice, delete, find
from worker.settings import Settings
from worker.statistics import find_listener
from worker.stream.async_inspection import AsyncInspector
from worker.stream.async_stream import AsyncStream
from worker.stream.backpressure import Backpressure
from worker.stream.producer import Producer

logger = logging.getLogger(__name__)

_SAVE_EVERY_S: Final = 0.5
# A process that has saved nothing for so long has ended.
_GONE_AFTER_S: Final = 15.0
_FULL_POLL_S: Final = 0.5
_WENT_AWAY: Final = "the server was stopped meanwhile"


class _StoppedError(Exception):
    """The process ends. What was published is recorded once, so the import can be started again."""


class Imports:
    """The imports of one process: one works at a time, the others wait for it."""

    def __init__(self, settings: Settings, stream: AsyncStream, inspector: AsyncInspector, engine: Engine) -> None:
        self._settings = settings
        self._stream = stream
        self._inspector = inspector
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="import")
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False

    async def close(self) -> None:
        """Stop what is under way, and save that it has stopped."""
        self._is_closing = True
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._thread.shutdown()

    async def find(self, user: str, job_id: str) -> Job | None:
        """The user's import; None if there was none within a day."""
        value = await self._stream.get(_name(user, job_id))
        if value is None:
            return None
        job = msgspec.json.decode(value, type=Job)
        if job.is_busy and time.time() - job.saved_s > _GONE_AFTER_S:
            job.phase, job.problem = "stopped", _WENT_AWAY
        if job.phase == "imported" and not job.is_recorded and job.before is not None:
            # By the books, as `zik import` says it.
            job.outcomes = outcomes(job.before, await self._inspector.books(), published=job.published)
            await self._save(job)
        return job

    async def discard(self, job: Job) -> None:
        """Forget an upload."""
        remove(job)
        await self._stream.take(_name(job.user, job.id))

    # --- What is done behind the requests ------------------------------------------------------

    async def read(self, job: Job) -> None:
        """Find out what the file holds, and publish nothing."""
        await self._begin(job, "reading", partial(self._read, job, lambda _: None), "read")

    async def publish(self, job: Job) -> None:
        """Publish the file. Doing it again adds nothing."""
        job.before = job.before or await self._inspector.books()
        await self._begin(job, "importing", partial(self._publish, job), "imported")

    async def undo(self, job: Job) -> None:
        """Delete the plays that were recorded with the import's id."""
        await self._begin(job, "undoing", partial(self._undo, job), "undone")

    async def _begin(self, job: Job, phase: Phase, work: Callable[[], None], then: Phase) -> None:
        job.phase, job.problem, job.done, job.total = phase, "", 0, 0
        await self._save(job)
        working = asyncio.get_running_loop().run_in_executor(self._thread, work)
        task = asyncio.create_task(self._follow(job, working, then))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, job: Job, working: Awaitable[None], then: Phase) -> None:
        """Save the progress, and how it ended."""
        future = asyncio.ensure_future(working)
        while not future.done():
            await asyncio.wait([future], timeout=_SAVE_EVERY_S)
            with suppress(ZikError):
                await self._save(job)
                if then == "undone":
                    await self._stream.announce_changed([job.user])
        try:
            await future
            job.phase = then
        except Exception as error:  # Its user learns of it, and can start it again.
            job.phase, job.problem = "stopped", _why(error).replace(str(path_of(job)), job.name)
            if not isinstance(error, ZikError | _StoppedError):
                logger.exception("an import met a bug")
        with suppress(ZikError):
            await self._save(job)

    async def _save(self, job: Job) -> None:
        job.saved_s = time.time()
        await self._stream.put(_name(job.user, job.id), msgspec.json.encode(job), ttl_s=KEEP_S)

    # --- In the thread -------------------------------------------------------------------------

    def _read(self, job: Job, publish: Callable[[list[bytes]], object]) -> None:
        clock = clock_of(job.zone.split(), job.shift or None, job.undated or None, today=utc_now().date())
        path = path_of(job)
        summaries: list[Summary] = []
        with ExitStack() as opened:
            archives, unread = open_archives([str(path)], opened, encoding=job.encoding or None)
            for archive in archives:
                archive.prepare(user=job.user, has_timezone=clock.zones is not None)
            job.total = sum(part.size for archive in archives for part in archive.parts)
            importer = Importer(user=job.user, now=utc_now(), publish=publish, clock=clock)
            before = 0
            for archive in archives:
                for part in archive.parts:
                    *_, summary = importer.import_part(archive, part, partial(self._progressed, job, before))
                    summaries.append(summary)
                    before += part.size
                summaries += filter(None, [unmatched_loves(archive)])
        job.outline = outline_of(summaries, unread, shown_as=(str(path), job.name))

    def _progressed(self, job: Job, before: int, done: int) -> None:
        if self._is_closing:
            raise _StoppedError
        job.done = before + done

    def _publish(self, job: Job) -> None:
        job.published = 0
        with closing(Producer.at(self._settings.redis_url)) as producer:
            backpressure = Backpressure(producer, max_waiting=self._settings.max_waiting)

            def publish(payloads: list[bytes]) -> None:
                self._wait_for_room(backpressure)
                backpressure.append(payloads)
                job.published += len(payloads)

            self._read(job, marking(job.id, publish))
        remove(job)

    def _wait_for_room(self, backpressure: Backpressure) -> None:
        while True:
            if self._is_closing:
                raise _StoppedError
            try:
                return backpressure.check()
            except StreamFullError:
                time.sleep(_FULL_POLL_S)

    def _undo(self, job: Job) -> None:
        with snapshot(self._engine) as session:
            user_id = find_listener(session.connection(), job.user).id
            ids = [play.id for play in find(session.connection(), user_id, Choice(import_id=job.id))]
        job.total = len(ids)

        def deleted(count: int) -> None:
            self._progressed(job, job.done, count)

        job.deleted += delete(self._engine, user_id, ids, deleted=deleted)


def _name(user: str, job_id: str) -> str:
    return f"import:{job_id}:{user}"


def _why(error: Exception) -> str:
    if isinstance(error, UnreadableFileError):
        return without_options(str(error))
    if isinstance(error, UnicodeError):
        return "the file is not in that encoding"
    if isinstance(error, ZikError):
        return "a server that zik needs is away, or refuses"
    return _WENT_AWAY if isinstance(error, _StoppedError) else "an internal error; the server's log has it"
