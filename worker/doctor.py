"""Check what zik stands on, and say what to change."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Engine, text

from worker.database import snapshot
from worker.db_init import current_revision, newest_revision
from worker.errors import StreamUnavailableError, ZikError
from worker.keys import BOOKS, STREAM
from worker.stream import EventStream

_OLDEST_REDIS: Final = (7, 0)
_OLDEST_VALKEY: Final = (7, 2)
_FULL_ENOUGH: Final = 0.8
_MOST_SKEW_S: Final = 5.0
# No command takes an id back. Nothing can come in between, and what was recorded stays recorded.
_NEW_STREAM: Final = (
    f"`zik drain`, and when nothing waits any more, `redis-cli DEL '{STREAM}' '{BOOKS}'`: both begin anew"
)


@dataclass(frozen=True)
class Finding:
    """One check. `advice` says what to change, and is empty where all is well."""

    subject: str
    found: str
    advice: str = ""

    @property
    def well(self) -> bool:
        return not self.advice


def examine(stream: EventStream, engine: Engine) -> Iterator[Finding]:
    """Check Redis, the database and the clock. What cannot be reached is a finding, not an error."""
    yield from _redis(stream)
    yield from _database(engine)


def _redis(stream: EventStream) -> Iterator[Finding]:
    try:
        info = stream.server()
    except StreamUnavailableError as error:
        yield Finding("Redis", str(error), "start it, or correct REDIS_URL; on a laptop `zik up` starts one")
        return
    yield _version(info)
    yield _persistence(info)
    yield _eviction(info)
    yield _memory(info)
    yield _clock(info)
    try:
        yield _books(stream)
        if stream.exhausted():
            yield Finding(
                "Stream", "an entry with the last possible id has been added: nobody can publish", _NEW_STREAM
            )
    except ZikError as error:
        yield Finding("Stream", str(error), "no worker can drain before this is mended")


def _version(info: Mapping[str, Any]) -> Finding:
    valkey = "valkey_version" in info
    name, version = ("Valkey", info["valkey_version"]) if valkey else ("Redis", info["redis_version"])
    oldest = _OLDEST_VALKEY if valkey else _OLDEST_REDIS
    known = tuple(int(part) for part in str(version).split(".")[:2])
    advice = "" if known >= oldest else f"upgrade it to {'.'.join(map(str, oldest))} or newer"
    return Finding("Redis version", f"{name} {version}", advice)


def _persistence(info: Mapping[str, Any]) -> Finding:
    if info["aof_enabled"]:
        return Finding("Persistence", "append-only file")
    return Finding("Persistence", "no append-only file", "set `appendonly yes`, or a restart loses waiting events")


def _eviction(info: Mapping[str, Any]) -> Finding:
    policy = info["maxmemory_policy"]
    if policy == "noeviction":
        return Finding("Eviction", policy)
    return Finding("Eviction", policy, "set `maxmemory-policy noeviction`, or a full Redis forgets accepted events")


def _memory(info: Mapping[str, Any]) -> Finding:
    used, most = info["used_memory"], info["maxmemory"]
    if not most:
        limit = info.get("total_system_memory", 0)
        return Finding("Memory", f"{_mib(used)} used, no limit of its own, {_mib(limit)} in the machine")
    found = f"{_mib(used)} of {_mib(most)} used"
    advice = "start more workers, or raise `maxmemory`" if used > _FULL_ENOUGH * most else ""
    return Finding("Memory", found, advice)


def _clock(info: Mapping[str, Any]) -> Finding:
    skew_s = time.time() - info["server_time_usec"] / 1e6
    found = f"{abs(skew_s):.1f} s {'ahead of' if skew_s > 0 else 'behind'} Redis"
    return Finding("Clock", found, "set the clock of this machine or of Redis" if abs(skew_s) > _MOST_SKEW_S else "")


def _books(stream: EventStream) -> Finding:
    books = stream.books()
    found = f"{books.received:,} received, {books.waiting:,} waiting, {books.unaccounted:,} unaccounted"
    advice = "" if books.balanced else "somebody else trims, deletes or acknowledges entries of the stream: find them"
    return Finding("Books", found, advice)


def _database(engine: Engine) -> Iterator[Finding]:
    try:
        with snapshot(engine) as session:
            version = session.scalar(text(_VERSION_OF[engine.dialect.name]))
            yield Finding("Database", f"{_NAME_OF[engine.dialect.name]} {version}")
            yield _schema(current_revision(session.connection()))
    except ZikError as error:
        yield Finding("Database", str(error), "start it, or correct DATABASE_URL")


_NAME_OF: Final = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
_VERSION_OF: Final = {"postgresql": "SHOW server_version", "sqlite": "SELECT sqlite_version()"}


def _schema(revision: str | None) -> Finding:
    newest = newest_revision()
    if revision == newest:
        return Finding("Schema", revision)
    return Finding("Schema", revision or "none", f"run `zik init` (this zik is written for {newest})")


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
