"""Check Redis, the stream and the drains."""

import time
from collections.abc import Iterator, Mapping
from math import inf
from typing import Any, Final

from worker.errors import StreamUnavailableError, ZikError
from worker.operations.doctor.finding import Finding
from worker.operations.health import LATE_S, namesakes, running_drains
from worker.stream.clock import MAX_SKEW
from worker.stream.consumer import EventStream
from worker.stream.keys import BOOKS, STREAM
from worker.stream.measurements import last_aggregation_at, last_http_report_at, last_http_unavailable_at

_OLDEST_REDIS: Final = (7, 0)
_OLDEST_VALKEY: Final = (7, 2)
_FULL_ENOUGH: Final = 0.8
_MOST_SKEW_S: Final = 5.0
# As in the alert ZikStatisticsBehind. A sweep begins every ten seconds.
_STATISTICS_LATE_S: Final = 300.0
# As in the alert ZikHttpDown: each process reports every five seconds. A server that has been silent for a day was
# switched off.
_HTTP_SILENT_S: Final = 60.0
_HTTP_GONE_S: Final = 86_400.0
# Longer than a client waits before it tries again.
_HTTP_TROUBLE_S: Final = 60.0
# No command lowers the last id. An exhausted stream accepts no event, so none arrives between the two commands.
_NEW_STREAM: Final = (
    f"`zik drain`, then, when nothing waits, `redis-cli DEL '{STREAM}' '{BOOKS}'`: both start again at 0"
)
# An entry id is two numbers of 64 bits; the first is a time in ms.
_LAST_MS: Final = 2**64 - 1


def redis_findings(stream: EventStream) -> Iterator[Finding]:
    try:
        info = stream.server()
    except StreamUnavailableError as error:
        advice = error.way_out or "start it, or correct REDIS_URL; on a laptop `zik up` starts one"
        yield Finding("Redis", error.found, advice)
        return
    # Valkey's name for it, and Redis'.
    mode = info.get("server_mode") or info.get("redis_mode")
    if mode == "sentinel":
        advice = "REDIS_URL must be the primary that it watches, or an address that follows it"
        yield Finding("Redis", "a Sentinel, which holds no data", advice)
        return
    if mode == "cluster":
        yield Finding("Redis", "a node of a cluster; Celery needs a CELERY_BROKER_URL that is not one")
    yield from (check(info) for check in (_version, _role, _persistence, _eviction, _memory, _clock))
    try:
        yield _books(stream)
        yield _ids(stream, info)
        yield _backlog(stream)
        rights = _rights(stream)
        yield rights
        if rights.well:
            yield _drains(stream)
            yield _statistics(stream, info)
            yield _http(stream, info)
    except ZikError as error:
        yield Finding("Stream", error.found, error.way_out or "repair this first: no worker can drain before")


def _version(info: Mapping[str, Any]) -> Finding:
    valkey = "valkey_version" in info
    name, version = ("Valkey", info["valkey_version"]) if valkey else ("Redis", info["redis_version"])
    oldest = _OLDEST_VALKEY if valkey else _OLDEST_REDIS
    installed = tuple(int(part) for part in str(version).split(".")[:2])
    advice = "" if installed >= oldest else f"upgrade it to {'.'.join(map(str, oldest))} or newer"
    return Finding("Redis version", f"{name} {version}", advice)


def _role(info: Mapping[str, Any]) -> Finding:
    if info.get("role") == "slave":
        return Finding("Redis role", "a replica, read-only", "point REDIS_URL at the primary, or at what follows it")
    return Finding("Redis role", "primary")


def _persistence(info: Mapping[str, Any]) -> Finding:
    if info.get("aof_last_write_status", "ok") != "ok":
        return Finding("Persistence", "the last write to the append-only file failed", "make room on the disk of Redis")
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        return Finding("Persistence", "the last snapshot failed", "make room on the disk of Redis; its log says more")
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
    advice = "set the clock of this machine or of Redis" if abs(skew_s) > _MOST_SKEW_S else ""
    if abs(skew_s) > MAX_SKEW.total_seconds():
        advice += "; until then no worker here records anything"
    return Finding("Clock", found, advice)


def _books(stream: EventStream) -> Finding:
    books = stream.books()
    found = f"{books.received:,} received, {books.waiting:,} waiting, {books.unaccounted:,} unaccounted"
    advice = "" if books.balanced else "another program trims, deletes or acknowledges entries of the stream: find it"
    return Finding("Books", found, advice)


def _ids(stream: EventStream, info: Mapping[str, Any]) -> Finding:
    """Redis never gives an id below the last: after one from the future, all are from the future."""
    last_ms = stream.last_id_ms()
    if last_ms == _LAST_MS:
        return Finding("Entry ids", "exhausted", f"no publisher can add an event: {_NEW_STREAM}")
    ahead_s = last_ms / 1000 - info["server_time_usec"] / 1e6
    if ahead_s > _MOST_SKEW_S:
        advice = "a publisher chose an id: the age of waiting events is unknown until then; publish with the id `*`"
        return Finding("Entry ids", f"{ahead_s:,.0f} s ahead of the clock", advice)
    return Finding("Entry ids", "follow the clock")


def _drains(stream: EventStream) -> Finding:
    ages_s = stream.last_progress_s()
    if running := running_drains(ages_s):
        if nodes := namesakes(running):
            found = f"{len(running):,} running; more than one worker is called {', '.join(nodes)}"
            return Finding("Drains", found, "start each worker with a name of its own, `-n NAME@%h`")
        return Finding("Drains", f"{len(running):,} running")
    found = f"none running, the last made progress {min(ages_s.values()):,.0f} s ago" if ages_s else "none known"
    return Finding("Drains", found, "start a worker with `celery -A worker worker`, or see in its log why it waits")


def _statistics(stream: EventStream, info: Mapping[str, Any]) -> Finding:
    at_s = last_aggregation_at(stream.measures())
    age_s = info["server_time_usec"] / 1e6 - at_s if at_s else inf
    found = f"brought up to date {max(age_s, 0):,.0f} s ago" if at_s else "never brought up to date by a worker"
    advice = "start a beat, `celery -A worker beat`, and a worker"
    return Finding("Statistics", found, advice if age_s > _STATISTICS_LATE_S else "")


def _http(stream: EventStream, info: Mapping[str, Any]) -> Finding:
    now_s, measured = info["server_time_usec"] / 1e6, stream.measures()
    reported_at = last_http_report_at(measured)
    if reported_at is None:
        return Finding("HTTP server", "none has reported")
    silent_s = max(now_s - reported_at, 0)
    found = f"reported {silent_s:,.0f} s ago"
    if _HTTP_SILENT_S < silent_s < _HTTP_GONE_S:
        return Finding("HTTP server", found, "start it with `zik serve`, or see in its log why it does not reach Redis")
    refused_s = now_s - (last_http_unavailable_at(measured) or 0)
    if refused_s < _HTTP_TROUBLE_S:
        found += f", and an answer 503 {max(refused_s, 0):,.0f} s ago"
        return Finding("HTTP server", found, "what else is found here is the cause, or its log names it; players retry")
    return Finding("HTTP server", found)


def _backlog(stream: EventStream) -> Finding:
    books = stream.books()
    found = f"{books.waiting:,} waiting, the oldest for {books.oldest_waiting_s:,.0f} s"
    advice = "start more workers; `zik status --watch` shows whether they keep up"
    return Finding("Backlog", found, advice if books.oldest_waiting_s > LATE_S else "")


def _rights(stream: EventStream) -> Finding:
    try:
        stream.report("", {})
    except ZikError as error:
        return Finding("Measures", error.found, error.way_out or "repair this first: no worker can report before")
    return Finding("Measures", "reported")


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
