"""Measure how long each question takes, over one user's 100,000 plays among the plays of many."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Final
from uuid import uuid4

from sqlalchemy.orm import Session

from benchmarks import goals
from benchmarks.goals import Goal
from benchmarks.machine import machine
from benchmarks.report import Line, Report
from benchmarks.rounds import alternate, console
from benchmarks.servers import Servers, running_servers
from worker.database.engine import open_engine, opened_engine, snapshot, transaction
from worker.models import StaleDay
from worker.report.page import page
from worker.report.year import year_of
from worker.statistics import (
    GlobalListening,
    Listening,
    ListenRule,
    Period,
    Subject,
    UserListening,
    count_discoveries,
    days,
    discoveries,
    find_listener,
    refresh_charts,
    span,
    streaks,
    top,
    totals,
    week_hours,
)
from worker.statistics.rollups.sweep import refresh
from worker.statistics.statements import sections

PLAYS: Final = 1_000_000
LISTENER: Final = "listener"
LISTENERS_PLAYS: Final = 100_000
_PER_DAY: Final = 50
_USERS: Final = 1_000
_SONGS: Final = 100_000
BEGINS: Final = date(2021, 1, 1)
DAYS: Final = LISTENERS_PLAYS // _PER_DAY
_CHUNK: Final = 1_000_000
_ASKED: Final = 7

Questions = Mapping[str, tuple[Callable[[], object], Goal | None]]


def measure(*, rounds: int, plays: int) -> Report:
    """Ask each question a few times per round on an open connection, as if it were the first, and take the median.

    Asks some questions twice: while all of the user's days are computed, and while the last day waits for a sweep, as
    it does while the user is listening.
    """
    with running_servers() as servers:
        fill(servers, plays)
        engine = open_engine(servers.database_url)
        with snapshot(engine) as before, snapshot(engine) as after:
            settled = of_user(before)
            with transaction(engine) as session:
                session.add(StaleDay(user_id=settled.user_id, day=BEGINS + timedelta(days=DAYS - 1), mark=uuid4()))
            asked = {
                **of_one(settled),
                **{f"{name}, while a day waits": ask for name, ask in _of_all_time(of_user(after)).items()},
                **charts_of(everyone(before)),
                **sums(everyone(before)),
                **{f"{name}, while a day waits": ask for name, ask in sums(everyone(after)).items()},
            }
            measured = alternate({name: median_ms(ask) for name, (ask, _) in asked.items()}, rounds)
        engine.dispose()
        measured_on = machine(servers)
    lines = [Line(name, measured[name], "ms", goal=goal) for name, (_, goal) in asked.items()]
    title = f"Questions over {LISTENERS_PLAYS:,} plays of one user, among {plays:,} of {_USERS:,} users"
    return Report("statistics", title, measured_on, lines)


def of_user(session: Session) -> UserListening:
    connection = session.connection()
    return UserListening(connection, find_listener(connection, LISTENER).id, ListenRule())


def of_one(user: UserListening) -> Questions:
    ever, last = span(Period.ALL, BEGINS), BEGINS + timedelta(days=DAYS)
    year = span(Period.YEAR, date(BEGINS.year + 2, 1, 1))
    asked: dict[str, Callable[[], object]] = {
        "zik, the user and their timezone": lambda: find_listener(user.connection, LISTENER),
        "zik, top songs, a year": lambda: top(replace(user), Subject.SONG, year, most=100),
        "zik, days, a year": lambda: days(replace(user), year.first, year.last),
        "zik, days, all time": lambda: days(replace(user), ever.first, ever.last),
        "zik, streaks, all time": lambda: streaks(replace(user), ever, today=last),
        "zik, discoveries by month": lambda: count_discoveries(replace(user), Period.MONTH, ever),
        "zik, totals, a year": lambda: totals(replace(user), year),
    }
    whole = _report(user, year.first.year, last)
    return {
        **_of_all_time(user),
        **{name: (ask, goals.QUESTION) for name, ask in asked.items()},
        "zik report, all its questions and the page": (whole, None),
    }


def _of_all_time(user: UserListening) -> Questions:
    ever = span(Period.ALL, BEGINS)
    asked: dict[str, Callable[[], object]] = {
        **{f"zik, top {subject}s, all time": _top(user, subject, Period.ALL) for subject in Subject},
        "zik, clock, all time": lambda: week_hours(replace(user), ever),
        "zik, latest discoveries": lambda: discoveries(replace(user), ever, most=100),
        "zik, totals, all time": lambda: totals(replace(user), ever),
    }
    return {name: (ask, goals.QUESTION) for name, ask in asked.items()}


def _top(listening: Listening, subject: Subject, period: Period) -> Callable[[], object]:
    return lambda: top(replace(listening), subject, span(period, BEGINS), most=100)


def _report(user: UserListening, year: int, today: date) -> Callable[[], object]:
    who = find_listener(user.connection, LISTENER)
    return lambda: page(year_of(replace(user), who, year, today=today), made_on=today)


def everyone(session: Session) -> GlobalListening:
    return GlobalListening(session.connection(), ListenRule())


def charts_of(everyone: GlobalListening) -> Questions:
    return {
        f"zik, chart of {subject}s for everyone, {period}": (_top(everyone, subject, period), goals.CHART)
        for subject in Subject
        for period in (Period.DAY, Period.ALL)
    }


def sums(everyone: GlobalListening) -> Questions:
    return {
        f"zik, totals of everyone, {period}": (_totals(everyone, period), None)
        for period in (Period.DAY, Period.MONTH, Period.ALL)
    }


def _totals(listening: Listening, period: Period) -> Callable[[], object]:
    return lambda: totals(replace(listening), span(period, BEGINS + timedelta(days=400)))


def median_ms(ask: Callable[[], object]) -> Callable[[], float]:
    def asked() -> float:
        began = time.perf_counter()
        ask()
        return 1000 * (time.perf_counter() - began)

    return lambda: sorted(asked() for _ in range(_ASKED))[_ASKED // 2]


# --- The history --------------------------------------------------------------------------------


def fill(servers: Servers, plays: int) -> None:
    """Let the server write the plays: one user's evenly over 2,000 days, the others' over the same days.

    Fills each rollup by one statement, as a sweep would, because all plays have the same offset. zik itself sums up the
    user's history, and draws the charts of the periods of one day.
    """
    began, rule = time.monotonic(), ListenRule()
    with servers.postgres() as connection:
        connection.execute(NAMES, {"users": _USERS, "songs": _SONGS})
        for statement in TRACKS:
            connection.execute(statement)
        for start in range(0, plays, _CHUNK):
            end = min(plays, start + _CHUNK)
            connection.execute(_PLAYS, {"start": start, "end": end, "own": LISTENERS_PLAYS, "days": DAYS})
        for statement in ROLLUPS:
            connection.execute(statement, rule.as_parameters())
        connection.execute("INSERT INTO stale_charts (day, mark) VALUES (%s, gen_random_uuid())", [BEGINS])
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("INSERT INTO stale_days (user_id, day, mark) VALUES (1, %s, gen_random_uuid())", [BEGINS])
    with opened_engine(servers.database_url) as engine:
        refresh(engine, rule)
        refresh_charts(engine, today=BEGINS, closed=True)
    with servers.postgres() as connection:
        for command in ("VACUUM (ANALYZE)", "CHECKPOINT"):
            connection.execute(command)
    console.print(f"  {plays:,} plays and their rollups in {time.monotonic() - began:.0f} s", highlight=False)


NAMES: Final = """
    WITH users AS (
        INSERT INTO app_users (username)
        SELECT CASE n WHEN 1 THEN 'listener' ELSE 'other ' || n END FROM generate_series(1, %(users)s) AS n
    )
    INSERT INTO songs (identity, title, artist, album, duration_ms, artist_identity, is_filed)
    SELECT md5('song ' || n)::uuid, 'Song ' || n, 'Artist ' || n %% 5000, 'Album ' || n %% 12000,
           120000 + n * 7919 %% 240000, md5('artist ' || n %% 5000)::uuid, true
      FROM generate_series(1, %(songs)s) AS n
"""
# Each song is on one album, and one in ten has a guest.
TRACKS: Final = (
    """
    INSERT INTO tracks (identity, song_id, album, artists, album_identity)
    SELECT md5('track ' || id)::uuid, id, album,
           CASE WHEN id % 10 = 0 THEN jsonb_build_array(artist, 'Guest ' || id % 700) END, md5(album)::uuid
      FROM songs ORDER BY id
    """,
    """
    INSERT INTO track_artists (track_id, position, artist_identity, name)
    SELECT id, position, md5(lower(name))::uuid, name
      FROM tracks, jsonb_array_elements_text(artists) WITH ORDINALITY AS named (name, position) ORDER BY id
    """,
    "ANALYZE songs, tracks, track_artists",
)
# Skewed as listening is: squaring a uniform number makes few users and songs frequent. Days have sixteen hours.
_PLAYS: Final = """
    INSERT INTO play_history (id, user_id, song_id, track_id, played_at, ms_played, duration_ms, utc_offset_minutes,
                              source)
    SELECT plays.id, user_id, song_id, tracks.id, played_at, ms_played, songs.duration_ms, 60, 'stored'
      FROM (SELECT (lpad(to_hex(1600000000000 + n), 12, '0') || '7' || substr(md5(n::text), 1, 3)
                    || 'a' || substr(md5(n::text), 4, 15))::uuid AS id,
                   CASE WHEN n < %(own)s THEN (SELECT min(id) FROM app_users)
                        ELSE (SELECT min(id) FROM app_users) + 1 + floor(999 * power(random(), 2))::bigint
                   END AS user_id,
                   (SELECT min(id) FROM songs) + floor(20000 * power(random(), 2))::bigint
                     + CASE WHEN n < %(own)s THEN 0 ELSE 80000 * (n %% 2) END AS song_id,
                   timestamptz '2021-01-01 06:00' + (n %% %(days)s) * interval '1 day' + random() * interval '16 hours'
                     AS played_at,
                   floor(random() * 300000)::int AS ms_played
              FROM generate_series(%(start)s::bigint, %(end)s::bigint - 1) AS n) AS plays
      JOIN songs ON songs.id = song_id JOIN tracks USING (song_id)
    ON CONFLICT DO NOTHING
"""
_IS_LISTEN: Final = re.sub(r":(\w+)", r"%(\1)s", sections("postgresql")["is_listen"].sql)
ROLLUPS: Final = [
    f"""
    INSERT INTO {table} (user_id, day, {key}, plays, listens, ms_played)
    SELECT user_id, day, {key}, count(*), count(*) FILTER (WHERE is_listen), coalesce(sum(ms_played), 0)
      FROM (SELECT play.user_id, CAST(local AS date) AS day, extract(hour FROM local)::smallint AS hour, play.song_id,
                   play.track_id, play.ms_played, {_IS_LISTEN} AS is_listen
              FROM play_history AS play JOIN songs AS song ON song.id = play.song_id,
                   LATERAL (SELECT play.played_at AT TIME ZONE 'UTC' + interval '1 hour' AS local) AS clock) AS plays
     GROUP BY user_id, day, {key} ORDER BY user_id, day, {key}
    """  # noqa: S608 -- our own words
    for table, key in (("listening_hours", "hour"), ("song_days", "song_id, track_id"))
]
