"""What reading costs at twenty million plays of a hundred thousand users: statistics, charts, `zik verify`."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from benchmarks import goals, statistics
from benchmarks.goals import Goal
from benchmarks.machine import machine
from benchmarks.processes import ROOT
from benchmarks.report import Line, Report
from benchmarks.rounds import Measured, alternate, console
from benchmarks.servers import Servers, running_servers
from benchmarks.usage import backends_cpu_s
from worker.database.engine import open_engine, snapshot
from worker.statistics import Listening, Period, Subject, span, top
from worker.statistics.questions.top import By

PLAYS: Final = 20_000_000
_PLAYS_OF_A_USER: Final = 200
_PLAYS_OF_A_SONG: Final = 100
# People listen for an hour or so at a time.
_SITTING: Final = 12
_SITTINGS_AT_ONCE: Final = 100_000
_MINUTE_S: Final = 60
_KIB_PER_MB: Final = 1_000_000 / 1_024


def measure(*, rounds: int, plays: int) -> Report:
    """Each step once, as an operator runs it; the questions in rounds."""
    with running_servers() as servers:
        fill(servers, plays)
        steps = [
            _step(servers, "zik recompute, of plays that nothing was computed of", "recompute", goals.RECOMPUTE),
            _step(servers, "zik verify", "verify", goals.VERIFY),
            _step(servers, "zik recompute, again", "recompute", goals.RECOMPUTE),
        ]
        with servers.postgres() as connection:
            connection.execute("VACUUM (ANALYZE)")
        questions = _questions(servers, rounds)
        facts = {"megabytes": _sizes(servers), "statements": _slowest(servers)}
        measured_on = machine(servers)
    title = f"Reading {plays:,} plays of {_users(plays):,} users"
    return Report("reading", title, measured_on, [*steps, *questions], facts)


def _step(servers: Servers, name: str, command: str, goal: Goal) -> Line:
    """Run a command of zik's. It fails the benchmark if `zik verify` finds a difference."""
    began, temporary, cpu_s = time.perf_counter(), _temporary_mb(servers), _cpu_s(servers)
    env = {**os.environ, "DATABASE_URL": servers.postgres_uri, "REDIS_URL": servers.redis_url}
    done = subprocess.run(  # noqa: S603 -- our own words
        [sys.executable, "-m", "worker", command], env=env, cwd=ROOT, capture_output=True, text=True, check=False
    )
    minutes = (time.perf_counter() - began) / _MINUTE_S
    console.print(f"  {name}: {minutes:.1f} min; {done.stdout.strip()[-200:]}", highlight=False)
    if done.returncode:
        raise AssertionError(
            f"zik {command} ended with {done.returncode}:\n{done.stdout[-2_000:]}\n{done.stderr[-2_000:]}"
        )
    largest_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / _KIB_PER_MB
    cpu_minutes = (_cpu_s(servers) - cpu_s) / _MINUTE_S
    note = (
        f"{cpu_minutes:.1f} min of processor time, {largest_mb:.0f} MB at most so far, "
        f"{_temporary_mb(servers) - temporary:,.0f} MB of temporary files"
    )
    console.print(f"  {note}", highlight=False)
    return Line(name, Measured((minutes,)), "min", note, goal)


def _cpu_s(servers: Servers) -> float:
    """Of the commands and of their connections to PostgreSQL, so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime + backends_cpu_s(servers)


# --- Questions ----------------------------------------------------------------------------------


def _questions(servers: Servers, rounds: int) -> list[Line]:
    engine = open_engine(servers.database_url)
    with snapshot(engine) as session:
        whole = statistics.everyone(session)
        asked: statistics.Questions = {
            **statistics.of_one(statistics.of_user(session)),
            **statistics.charts_of(whole),
            **statistics.sums(whole),
            **{f"zik, top {each}s of everyone by plays, all time": (_by_plays(whole, each), None) for each in Subject},
        }
        measured = alternate({name: statistics.median_ms(ask) for name, (ask, _) in asked.items()}, rounds)
    engine.dispose()
    return [Line(name, measured[name], "ms", goal=goal) for name, (_, goal) in asked.items()]


def _by_plays(listening: Listening, subject: Subject) -> Callable[[], object]:
    return lambda: top(listening, subject, span(Period.ALL, date.min), most=100, by=By.PLAYS)


# --- The history --------------------------------------------------------------------------------


def fill(servers: Servers, plays: int) -> None:
    """Let the server write the plays of five and a half years: what recording leaves behind, before any sweep.

    One user's as `benchmarks.statistics` has them, the others' in sittings of twelve plays.
    """
    began = time.monotonic()
    sittings = max(0, plays - statistics.LISTENERS_PLAYS) // _SITTING
    given = {"users": _users(plays), "songs": max(1_000, plays // _PLAYS_OF_A_SONG)}
    with servers.postgres() as connection:
        connection.execute("SELECT setseed(0.5)")
        # The rows are right by construction, and checking each foreign key doubles the time.
        connection.execute("SET session_replication_role = replica")
        for statement in (statistics.NAMES, *statistics.TRACKS):
            connection.execute(statement, given if statement is statistics.NAMES else None)
        connection.execute(_OWN, {"own": statistics.LISTENERS_PLAYS, "days": statistics.DAYS, **given})
        for start in range(0, sittings, _SITTINGS_AT_ONCE):
            end = min(sittings, start + _SITTINGS_AT_ONCE)
            connection.execute(_OTHERS, {"start": start, "end": end, "sitting": _SITTING, **given})
            console.print(f"  {end * _SITTING:,} plays, {time.monotonic() - began:.0f} s", highlight=False)
        connection.execute("INSERT INTO stale_charts (day, mark) VALUES (%s, gen_random_uuid())", [statistics.BEGINS])
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")
    console.print(f"  {plays:,} plays in {time.monotonic() - began:.0f} s", highlight=False)


def _users(plays: int) -> int:
    return max(1_000, plays // _PLAYS_OF_A_USER)


_PLAYED: Final = """
    INSERT INTO play_history (id, user_id, song_id, track_id, played_at, ms_played, duration_ms, utc_offset_minutes,
                              source)
    SELECT plays.id, user_id, song_id, tracks.id, played_at, ms_played, songs.duration_ms, 60, 'stored'
      FROM ({plays}) AS plays JOIN songs ON songs.id = song_id JOIN tracks USING (song_id)
    ON CONFLICT DO NOTHING
"""
# As UUIDv7 are: made one after the other.
_ID: Final = """
    (lpad(to_hex(1600000000000 + number), 12, '0') || '7' || substr(md5(number::text), 1, 3)
     || 'a' || substr(md5(number::text), 4, 15))::uuid AS id
"""
_OWN: Final = _PLAYED.format(
    plays=f"""
    SELECT {_ID}, (SELECT min(id) FROM app_users) AS user_id,
           (SELECT min(id) FROM songs) + floor(%(songs)s / 5 * power(random(), 2))::bigint AS song_id,
           timestamptz '2021-01-01 06:00' + (number %% %(days)s) * interval '1 day' + random() * interval '16 hours'
             AS played_at,
           floor(random() * 300000)::int AS ms_played
      FROM generate_series(1, %(own)s::bigint) AS number
    """  # noqa: S608 -- our own words
)
# Squaring a uniform number makes few users and songs frequent. Half of what a user plays are hits of everyone, the
# other half are songs of their own taste.
_OTHERS: Final = _PLAYED.format(
    plays=f"""
    SELECT {_ID}, (SELECT min(id) FROM app_users) + user_number AS user_id,
           (SELECT min(id) FROM songs)
             + CASE WHEN random() < 0.5 THEN floor(%(songs)s * power(random(), 3))::bigint
                    ELSE (user_number * 7919 + floor(300 * power(random(), 2))::bigint) %% %(songs)s END AS song_id,
           began_at + step * interval '4 minutes' + random() * interval '1 minute' AS played_at,
           floor(random() * 300000)::int AS ms_played
      FROM (SELECT sitting, 1 + floor((%(users)s - 1) * power(random(), 2))::bigint AS user_number,
                   timestamptz '2021-01-01 05:00' + floor(random() * 2000) * interval '1 day'
                     + random() * interval '17 hours' AS began_at
              FROM generate_series(%(start)s::bigint, %(end)s::bigint - 1) AS sitting OFFSET 0) AS sittings
      CROSS JOIN generate_series(0, %(sitting)s - 1) AS step
      CROSS JOIN LATERAL (SELECT 1000000 + sitting * %(sitting)s + step AS number) AS numbered
    """  # noqa: S608 -- our own words
)


# --- What it took -------------------------------------------------------------------------------


def _temporary_mb(servers: Servers) -> float:
    with servers.postgres() as connection:
        row = connection.execute("SELECT sum(temp_bytes) FROM pg_stat_database").fetchone()
    return float(row[0] if row else 0) / 1_000_000


def _sizes(servers: Servers) -> Mapping[str, float]:
    with servers.postgres() as connection:
        rows = connection.execute(
            "SELECT relname, pg_total_relation_size(oid) / 1e6 FROM pg_class WHERE relkind = 'r' "
            "AND relnamespace = 'public'::regnamespace ORDER BY 2 DESC LIMIT 8"
        ).fetchall()
    return {name: round(float(size)) for name, size in rows}


def _slowest(servers: Servers) -> list[dict[str, Any]]:
    """The statements that took longest together, by their first words."""
    with servers.postgres() as connection:
        rows = connection.execute(
            "SELECT calls, total_exec_time / 1000, max_exec_time / 1000, "
            "left(regexp_replace(query, '\\s+', ' ', 'g'), 120) "
            "FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT 12"
        ).fetchall()
    return [
        {"calls": calls, "s": round(total, 1), "slowest_s": round(slowest, 1), "query": query}
        for calls, total, slowest, query in rows
    ]
