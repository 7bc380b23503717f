"""zik on SQLite, through its drain, beside `executemany` of finished rows into the same table."""

import sqlite3
import tempfile
import time
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from benchmarks.data import Shape, payloads
from benchmarks.finished import COLUMNS, FinishedRows, finish
from benchmarks.machine import machine
from benchmarks.report import Line, Report
from benchmarks.rounds import alternate
from benchmarks.servers import Servers, running_servers
from worker.database.engine import open_engine
from worker.database.schema import bring_up_schema
from worker.database.statement import instant
from worker.drain.opening import opened_drain
from worker.settings import load_settings

_BATCH: int = 2_000


def measure(*, rounds: int, shape: Shape) -> Report:
    lines_of_json = payloads(shape)
    rows = finish(lines_of_json)
    with running_servers() as servers:
        taken = alternate(
            {
                "zik on SQLite": lambda: _drain(servers, lines_of_json),
                "executemany of finished rows": lambda: _executemany(rows),
            },
            rounds,
        )
        measured_on = machine(servers)
    ratio = taken["zik on SQLite"].against(taken["executemany of finished rows"])
    lines = [Line(name, measured, note=f"{_BATCH:,} rows a commit") for name, measured in taken.items()]
    lines.append(Line("zik ÷ executemany", ratio, "ratio"))
    return Report("sqlite", f"Single plays to SQLite, {shape.events:,} waiting", measured_on, lines)


def _drain(servers: Servers, lines: list[bytes]) -> float:
    """One process, as `zik drain` runs: SQLite takes one writer at a time."""
    with tempfile.TemporaryDirectory(prefix="zik-sqlite-") as folder:
        settings = load_settings(
            database_url=_url(folder), redis_url=servers.redis_url, batch_size=_BATCH, home=Path(folder)
        )
        with servers.redis() as client, opened_drain(settings, consumer="benchmark") as drain:
            client.flushall()
            bring_up_schema(drain.engine)
            for start in range(0, len(lines), 1_000):
                drain.stream.append(lines[start : start + 1_000])
            began = time.perf_counter()
            tally = drain.run()
            elapsed_s = time.perf_counter() - began
    if tally.events != len(lines):
        raise AssertionError(f"{tally.events} events of {len(lines)}")
    return len(lines) / elapsed_s


def _executemany(rows: FinishedRows) -> float:
    with tempfile.TemporaryDirectory(prefix="zik-sqlite-") as folder:
        engine = open_engine(_url(folder))
        bring_up_schema(engine)
        try:
            return _insert(engine, rows)
        finally:
            engine.dispose()


def _insert(engine: Engine, rows: FinishedRows) -> float:
    # As zik does: write-ahead log, synchronous FULL, foreign keys on.
    plays = [
        (play.id.hex, play.user_id, play.song_id, _text(play.played_at), _text(play.reported_at), *play[5:])
        for play in rows.plays
    ]
    pool_connection = engine.raw_connection()
    connection = pool_connection.driver_connection
    assert isinstance(connection, sqlite3.Connection)  # noqa: S101 -- for the type checker
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO app_users (username, id) VALUES (?, ?)", rows.users.items())
    songs = [(song_id, identity, song.artist, song.title) for identity, (song_id, song) in rows.songs.items()]
    connection.executemany("INSERT INTO songs (id, identity, artist, title) VALUES (?, ?, ?, ?)", songs)
    connection.execute("COMMIT")
    marks = ", ".join("?" * len(COLUMNS))
    statement = f"INSERT INTO play_history ({', '.join(COLUMNS)}) VALUES ({marks})"  # noqa: S608 -- our own names
    began = time.perf_counter()
    for start in range(0, len(plays), _BATCH):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(statement, plays[start : start + _BATCH])
        connection.execute("COMMIT")
    elapsed_s = time.perf_counter() - began
    pool_connection.close()
    return len(plays) / elapsed_s


def _text(at: datetime | None) -> str | None:
    return None if at is None else instant(at)


def _url(folder: str) -> str:
    return load_settings(database_url=f"sqlite:///{Path(folder) / 'zik.db'}").database_url
