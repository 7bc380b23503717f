"""The limit: COPY of the finished rows into zik's own table, with all its keys; PostgreSQL takes nothing faster."""

import queue
import threading
import time
from functools import partial
from typing import Final, Literal

from benchmarks.contenders.contender import Contender, Workload
from benchmarks.finished import COLUMNS

Format = Literal["text", "binary"]
CONNECTIONS: Final = (1, 2, 3)
FORMATS: Final[tuple[Format, ...]] = ("text", "binary")
ALL: Final = 10**9
CHUNKS: Final = (2_000, 10_000, ALL)


def candidates(connections: tuple[int, ...] = CONNECTIONS) -> list[Contender]:
    return [copying(number, form, chunk) for number in connections for form in FORMATS for chunk in CHUNKS]


def copying(connections: int, form: Format, chunk: int) -> Contender:
    size = "everything" if chunk == ALL else f"{chunk:,} rows"
    return Contender(
        name=f"COPY, {connections} connection{'s' if connections > 1 else ''}",
        command=f"COPY play_history FROM STDIN{' (FORMAT binary)' if form == 'binary' else ''}",
        settings=f"{connections} x {form}, {size} a commit",
        run=partial(_run, connections=connections, form=form, chunk=chunk),
    )


def _run(workload: Workload, *, connections: int, form: Format, chunk: int) -> float:
    servers, finished = workload.servers, workload.finished
    servers.clear()
    with servers.postgres() as connection:
        finished.store_users_and_songs(connection)
        connection.execute("CHECKPOINT")
    rows = min(chunk, -(-len(finished.plays) // connections))
    pieces: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    # Built before the clock starts.
    for piece in finished.text(rows) if form == "text" else finished.binary(rows):
        pieces.put(piece)
    ready, done = threading.Barrier(connections + 1), threading.Barrier(connections + 1)
    # Threads are enough: they only wait for sockets, outside Python's lock.
    for _ in range(connections):
        threading.Thread(target=_copy, args=[workload, pieces, form, ready, done], daemon=True).start()
    ready.wait()
    began = time.perf_counter()
    done.wait()
    elapsed_s = time.perf_counter() - began
    if (stored := servers.plays()) != len(finished.plays):
        raise AssertionError(f"COPY stored {stored} rows of {len(finished.plays)}")
    return len(finished.plays) / elapsed_s


def _copy(
    workload: Workload,
    pieces: "queue.SimpleQueue[bytes]",
    form: Format,
    ready: threading.Barrier,
    done: threading.Barrier,
) -> None:
    statement = f"COPY play_history ({', '.join(COLUMNS)}) FROM STDIN (FORMAT {form})"
    with workload.servers.postgres() as connection:
        ready.wait()
        while True:
            try:
                piece = pieces.get_nowait()
            except queue.Empty:
                break
            with connection.cursor().copy(statement) as copy:
                copy.write(piece)
        done.wait()
