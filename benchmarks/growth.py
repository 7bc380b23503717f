"""Throughput when the tables are large already: with millions of plays, of users, of songs."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from benchmarks import goals
from benchmarks.contenders import zik
from benchmarks.contenders.contender import Workload
from benchmarks.data import Shape
from benchmarks.machine import machine
from benchmarks.report import Line, Report
from benchmarks.rounds import Measured, alternate, console
from benchmarks.servers import Servers, running_servers

ROWS: Final = (0, 1_000_000, 5_000_000, 20_000_000)
FEW: Final = 1_000
MANY: Final = 1_000_000
_LOADERS_CHUNK: Final = 1_000_000


def measure(*, rounds: int, shape: Shape, rows: Sequence[int], setup: zik.Setup) -> Report:
    """Stored plays first, then few and many users and songs.

    The sizes cannot alternate, since loading twenty million plays takes minutes; so they are measured with none again
    at the end, and that says how much the machine itself has changed meanwhile.
    """
    with running_servers() as servers:
        workload = Workload.of(servers, shape)
        sizes = {count: _rounds(workload, setup, count, rounds) for count in sorted(rows)}
        again = _rounds(workload, setup, 0, rounds)
        catalogues = _catalogues(servers, setup, shape, rounds)
        measured_on = machine(servers)
    lines = [Line(f"zik, {count:,} plays stored", measured) for count, measured in sizes.items()]
    lines.append(Line("zik, 0 plays stored, at the end", again))
    lines += [Line(name, measured) for name, measured in catalogues.items()]
    first, last = Measured(sizes[min(sizes)].values + again.values), sizes[max(sizes)]
    lines.append(Line(goals.GROWTH.what, _over(last, first), "ratio", f"{max(sizes):,} rows", goals.GROWTH))
    few = catalogues[_catalogue_name(FEW, FEW)]
    lines += [
        Line(f"{name} ÷ few of both", measured.against(few), "ratio")
        for name, measured in catalogues.items()
        if measured is not few
    ]
    return Report("growth", f"zik with full tables, {shape.events:,} plays waiting", measured_on, lines)


def _over(later: Measured, earlier: Measured) -> Measured:
    """Each round by the median of the rounds with none, because they were not taken in turn."""
    return Measured(tuple(value / earlier.median for value in later.values))


def _rounds(workload: Workload, setup: zik.Setup, count: int, rounds: int) -> Measured:
    """Keep the stored plays for all rounds, and take away what each round has added."""
    servers = workload.servers
    servers.clear()
    preload(servers, count)

    def run() -> float:
        return zik.record_into(workload, setup, cleared=lambda: _remove_recorded(servers))

    return alternate({f"{count:,} plays stored": run}, rounds)[f"{count:,} plays stored"]


def preload(servers: Servers, count: int, users: int = FEW, songs: int = 10_000) -> None:
    """So many plays of the years before, written by the server itself, with ids that grow with time, as UUIDv7 do."""
    if not count:
        return
    began = time.monotonic()
    with servers.postgres() as connection:
        connection.execute(
            "INSERT INTO app_users (username) SELECT 'stored-' || n FROM generate_series(1, %s) AS n", [users]
        )
        connection.execute(
            "INSERT INTO songs (identity, title, artist) "
            "SELECT md5('stored ' || n)::uuid, 'Stored ' || n, 'Nobody' FROM generate_series(1, %s) AS n",
            [songs],
        )
        for start in range(0, count, _LOADERS_CHUNK):
            connection.execute(_STORED, {"start": start, "end": min(count, start + _LOADERS_CHUNK)})
        connection.execute("VACUUM (ANALYZE) play_history")
        connection.execute("CHECKPOINT")
    console.print(f"  {count:,} plays stored in {time.monotonic() - began:.0f} s", highlight=False)


# Skewed as listening is: a power of a uniform number makes few users and songs frequent.
_STORED: Final = """
    INSERT INTO play_history (id, user_id, song_id, played_at, ms_played, utc_offset_minutes, source)
    SELECT (lpad(to_hex(1600000000000 + n), 12, '0') || '7' || substr(md5(n::text), 1, 3)
            || 'a' || substr(md5(n::text), 4, 15))::uuid,
           u.first + floor(u.amount * power(random(), 3))::bigint,
           s.first + floor(s.amount * power(random(), 3))::bigint,
           timestamptz '2015-01-01' + n * interval '10 seconds', 180000, 60, 'stored'
      FROM generate_series(%(start)s::bigint, %(end)s::bigint - 1) AS n,
           (SELECT min(id) AS first, count(*) AS amount FROM app_users WHERE username LIKE 'stored-%%') AS u,
           (SELECT min(id) AS first, count(*) AS amount FROM songs WHERE artist = 'Nobody') AS s
    ON CONFLICT DO NOTHING
"""


def _remove_recorded(servers: Servers) -> None:
    with servers.redis() as client:
        client.flushall()
    with servers.postgres() as connection:
        connection.execute("TRUNCATE stale_days, stale_histories, stale_charts, dead_letters")
        connection.execute("DELETE FROM app_users WHERE username NOT LIKE 'stored-%'")
        connection.execute("DELETE FROM songs WHERE artist <> 'Nobody'")
        connection.execute("VACUUM play_history, app_users, songs")
        connection.execute("CHECKPOINT")


def _catalogue_name(users: int, songs: int) -> str:
    return f"zik, {users:,} users, {songs:,} songs"


def _catalogues(servers: Servers, setup: zik.Setup, shape: Shape, rounds: int) -> dict[str, Measured]:
    """Few and many users and songs, of which the plays really use as many as they can, none of them met before."""
    pairs = [(FEW, FEW), (MANY, FEW), (FEW, MANY)]
    measurements: dict[str, Callable[[], float]] = {}
    for users, songs in pairs:
        workload = Workload.of(servers, Shape(shape.events, users, songs, shape.seed))
        measurements[_catalogue_name(users, songs)] = partial(zik.record_all, workload, setup)
    return alternate(measurements, rounds)
