"""Every bad input of the fault matrix at once, among good ones, on both databases (I1-I45)."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import pytest
import redis
from sqlalchemy import Engine, text

from tests.support import oracle
from tests.support.bad_inputs import CORPUS, DUPLICATE, STORED, STRAYS, Case
from tests.support.events import play_payloads
from tests.support.processes import ROOT, count, url_of
from worker.books import Outcome
from worker.database.engine import snapshot
from worker.drain.drain import Drain
from worker.errors import Reason
from worker.operations.doctor import examine
from worker.stream.consumer import EventStream
from worker.stream.keys import BOOKS, FIELD, STREAM

MB: Final = 1_000_000


def outcome_of(case: Case, stream: EventStream, engine: Engine) -> str:
    """Drain the one event, and say what the books and the desk say of it."""
    before = stream.books()
    (entry_id,) = stream.append([case.payload])
    Drain(stream, engine, "a").run()
    after = stream.books()
    if after.dead > before.dead:
        with snapshot(engine) as session:
            reason = session.scalar(text("SELECT reason FROM dead_letters WHERE entry_id = :id"), {"id": entry_id})
        return str(reason)
    return STORED if after.recorded > before.recorded else DUPLICATE


def test_i1_to_i45_each_input_has_its_outcome_on_both_databases(stream: EventStream, engine: Engine) -> None:
    """The expected outcomes are one list, so both databases agree with it only if they agree with each other."""
    found = {case.row: outcome_of(case, stream, engine) for case in CORPUS if not case.row.startswith("I37")}
    assert found == {case.row: case.outcome for case in CORPUS if not case.row.startswith("I37")}


@pytest.mark.parametrize("batch_size", [7, 2_000])
def test_i1_to_i45_bad_inputs_stop_none_of_their_neighbours(
    stream: EventStream, engine: Engine, batch_size: int
) -> None:
    good = play_payloads(len(CORPUS))
    mixed = [payload for case, neighbour in zip(CORPUS, good, strict=True) for payload in (case.payload, neighbour)]
    stream.append(mixed)
    Drain(stream, engine, "a", batch_size=batch_size).run()
    wanted = Counter(case.outcome for case in CORPUS)
    assert oracle.actual(engine).dead == {reason: wanted[reason] for reason in Reason if wanted[reason]}
    assert stream.books().recorded == len(good) + wanted[STORED]
    assert stream.books().duplicate == wanted[DUPLICATE]
    assert stream.books().balanced


def test_i2_i7_entries_without_an_event_field_are_dead_letters(
    stream: EventStream, valkey: "redis.Redis", engine: Engine
) -> None:
    for fields in STRAYS:
        valkey.xadd(STREAM, fields)  # type: ignore[arg-type] # Fields are invariant to the type checker.
    (good,) = play_payloads(1)
    valkey.xadd(STREAM, {FIELD: good, b"\xff": b"I3"})
    tally = Drain(stream, engine, "a").run()
    assert tally.outcomes == {Outcome.DEAD: len(STRAYS), Outcome.RECORDED: 1}
    assert oracle.actual(engine).dead == {Reason.MISSING_EVENT: len(STRAYS)}


def test_i40_a_stream_of_only_bad_inputs_drains(stream: EventStream, engine: Engine) -> None:
    # An id conflicts only with that of a play.
    bad = [case.payload for case in CORPUS if case.outcome in set(Reason) - {Reason.ID_CONFLICT}]
    entry_ids = stream.append(bad * 5)
    Drain(stream, engine, "a").run()
    oracle.check(bad * 5, stream, engine, entry_ids=entry_ids)
    assert count(engine, "app_users") == 0


def test_i47_an_entry_with_an_id_of_the_far_future_is_recorded(
    stream: EventStream, valkey: "redis.Redis", engine: Engine
) -> None:
    first, second = play_payloads(2)
    valkey.xadd(STREAM, {FIELD: first}, id="9999999999999-7")
    valkey.xadd(STREAM, {FIELD: second})
    Drain(stream, engine, "a").run()
    oracle.check([first, second], stream, engine)


def test_i47_an_exhausted_stream_drains_and_refuses_publishers(
    stream: EventStream, valkey: "redis.Redis", engine: Engine
) -> None:
    payloads = play_payloads(1)
    valkey.xadd(STREAM, {FIELD: payloads[0]}, id=f"{2**64 - 1}-{2**64 - 1}")
    Drain(stream, engine, "a").run()
    oracle.check(payloads, stream, engine)
    with pytest.raises(redis.ResponseError, match="exhausted the last possible ID"):
        valkey.xadd(STREAM, {FIELD: payloads[0]})


def test_i47_the_doctors_advice_repairs_an_exhausted_stream(
    stream: EventStream, valkey: "redis.Redis", sqlite: Engine
) -> None:
    def advice() -> list[str]:
        return [finding.advice for finding in examine(stream, sqlite) if finding.found == "exhausted"]

    assert advice() == []
    valkey.xadd(STREAM, {FIELD: play_payloads(1)[0]}, id=f"{2**64 - 2}-{2**64 - 1}")
    assert advice() == []
    valkey.xadd(STREAM, {FIELD: play_payloads(1)[0]}, id=f"{2**64 - 1}-{2**64 - 1}")
    (remedy,) = advice()
    assert f"DEL '{STREAM}' '{BOOKS}'" in remedy
    Drain(stream, sqlite, "a").run()
    valkey.delete(STREAM, BOOKS)
    stream.append(play_payloads(1, start=1))
    Drain(stream, sqlite, "a").run()
    assert advice() == []
    assert count(sqlite, "play_history") == 2
    assert stream.books().balanced


# --- memory (I16) --------------------------------------------------------------------------------

_MEASURED: Final = """
from pathlib import Path
from worker.drain.opening import opened_drain
from worker.settings import load_settings
# Not getrusage: its maximum survives exec, and would be that of the process that started this one.
def most_kib():
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])
with opened_drain(load_settings(), consumer="a") as drain:
    drain.stream.ensure_group()
    before = most_kib()
    tally = drain.run()
print(tally.events, (most_kib() - before) * 1024)
"""


def test_i16_an_event_of_50_mb_is_buried_in_bounded_memory(
    stream: EventStream, redis_url: str, sqlite: Engine, tmp_path: Path
) -> None:
    small = play_payloads(2_000)
    stream.append([*small[:1_000], b'{"type": "' + b"x" * (50 * MB), *small[1_000:]])
    events, grown = _memory_of_a_drain(redis_url, url_of(sqlite), tmp_path)
    assert events == 2_001
    # Once as it comes over the wire and once as bytes; a parser, a log line or a row would each add another 50 MB.
    assert grown < 4 * 50 * MB
    assert count(sqlite, "play_history") == 2_000
    assert count(sqlite, "dead_letters", "reason = 'too_large' AND length(payload) <= 16384") == 1
    assert stream.books().balanced


@pytest.mark.full
def test_i16_many_large_events_are_buried_in_bounded_memory(
    stream: EventStream, redis_url: str, sqlite: Engine, tmp_path: Path
) -> None:
    """Memory must follow the size of a batch in bytes, not only in events."""
    for _ in range(300):
        stream.append([b"x" * MB])
    events, grown = _memory_of_a_drain(redis_url, url_of(sqlite), tmp_path)
    assert events == 300
    assert grown < 200 * MB, f"{grown / MB:.0f} MB"


def _memory_of_a_drain(redis_url: str, database_url: str, folder: Path) -> tuple[int, int]:
    """How many events a drain in a process of its own met, and by how many bytes it grew at its most."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "REDIS_URL": redis_url, "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    events, grown = done.stdout.split()
    return int(events), int(grown)
