"""What PostgreSQL plans: with tables that were small at its first look, and with large ones that it needs little of."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.event import listen
from sqlalchemy.pool import QueuePool

from tests.support import rollup_rows as rows
from tests.support.events import accepted, event_id, play, song
from tests.support.processes import url_of
from tests.support.rollup_rows import RULE
from worker.database.engine import open_engine, snapshot, transaction, without_statement_timeout
from worker.recorders.batch import record_batch
from worker.recorders.known import Known
from worker.statistics import (
    GlobalListening,
    Period,
    Span,
    Subject,
    Totals,
    UserListening,
    discoveries,
    rank,
    span,
    top,
    totals,
)
from worker.statistics.questions.backlog import Backlog
from worker.statistics.rollups.sweep import refresh

SONGS = 500
USERS = 4
# Of each user a few less than are worth sums.
PLAYS = 39_600
PLAYS_A_DAY = 25
SCATTERED = 200
# A look at the first row of a table is no scan of it.
FEW = 100


@pytest.fixture
def alone(postgres: Engine) -> Iterator[Engine]:
    """One connection for everything: the server counts what each has read when that one says so, or a second later."""
    engine = open_engine(url_of(postgres))
    yield engine
    assert isinstance(engine.pool, QueuePool)
    assert engine.pool.checkedin() == 1
    engine.dispose()


def count_at_once(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(text("SELECT pg_stat_force_next_flush()"))


def rows_read_in_turn(engine: Engine, *tables: str) -> int:
    """By whole readings of these tables, as the server counts them."""
    count_at_once(engine)
    with transaction(engine) as session:
        read = text("SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname = ANY(:tables)")
        return int(session.scalar(read, {"tables": list(tables)}))


def test_foreign_keys_are_checked_by_index_with_old_statistics(alone: Engine) -> None:
    known = Known()

    def record(number: int) -> None:
        event = play(id=event_id(number), song=song(title=f"song {number}", album="x"))
        with transaction(alone) as session:
            known.remember(record_batch(session.connection(), accepted(event), known=known))

    record(0)
    with transaction(without_statement_timeout(alone)) as session:
        # As autovacuum does: now the server knows how small they are.
        session.execute(text("ANALYZE app_users, songs, tracks"))
    before = rows_read_in_turn(alone, "app_users", "songs", "tracks")
    for number in range(1, SONGS):
        record(number)
    # A reading each time would be of a hundred thousand rows.
    assert rows_read_in_turn(alone, "app_users", "songs", "tracks") < before + SONGS


_HISTORY = [
    f"INSERT INTO app_users (username) SELECT 'user ' || n FROM generate_series(1, {USERS}) AS n",
    """
    INSERT INTO songs (identity, title, artist, artist_identity)
    SELECT md5('song ' || n)::uuid, 'Song ' || n, 'Artist ' || n % 500, md5('artist ' || n % 500)::uuid
      FROM generate_series(1, 10000) AS n
    """,
    f"""
    INSERT INTO play_history (id, user_id, song_id, played_at, ms_played, source)
    SELECT (lpad(to_hex(1600000000000 + n), 12, '0') || '7' || substr(md5(n::text), 1, 3)
            || 'a' || substr(md5(n::text), 4, 15))::uuid,
           (SELECT min(id) FROM app_users) + n % {USERS}, (SELECT min(id) FROM songs) + n * 7919 % 10000,
           timestamptz '2021-01-01 12:00' + n / 100 * interval '1 day' + n % 100 * interval '1 minute', 200000, 'stored'
      FROM generate_series(1, {PLAYS}) AS n
    """,
    "INSERT INTO stale_histories (user_id, mark) SELECT id, gen_random_uuid() FROM app_users",
]
EVER = span(Period.ALL, date(2021, 1, 1))
QUESTIONS: dict[str, Callable[[UserListening], object]] = {
    "top songs": lambda user: top(user, Subject.SONG, EVER, most=10),
    "discoveries": lambda user: discoveries(user, EVER, most=10),
    "totals": lambda user: totals(user, EVER),
}


@pytest.fixture
def history(alone: Engine) -> Engine:
    """39,600 plays of 10,000 songs by four users on 396 days, all swept, and known to the planner."""
    with transaction(without_statement_timeout(alone)) as session:
        for statement in _HISTORY:
            session.execute(text(statement))
    refresh(alone, RULE)
    with alone.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE) songs, play_history, song_days, listening_hours, stale_days"))
    return alone


def ask(engine: Engine, question: str) -> object:
    with snapshot(engine) as session:
        user_id = session.scalar(text("SELECT min(id) FROM app_users"))
        return QUESTIONS[question](UserListening(session.connection(), user_id, RULE))


@pytest.mark.parametrize("question", ["top songs", "discoveries"])
@pytest.mark.parametrize("days", [1, 20])
def test_a_question_scans_no_table_for_stale_days(history: Engine, question: str, days: int) -> None:
    before = ask(history, question)
    with transaction(history) as session:
        wait = """
            INSERT INTO stale_days (user_id, day, mark)
            SELECT min(id), date '2021-03-01' + 3 * n, gen_random_uuid()
              FROM app_users, generate_series(1, :days) AS n GROUP BY n
        """
        session.execute(text(wait), {"days": days})
    read = rows_read_in_turn(history, "play_history", "songs", "song_days")
    assert ask(history, question) == before
    assert rows_read_in_turn(history, "play_history", "songs", "song_days") == read


def rows_read(engine: Engine, table: str) -> int:
    count_at_once(engine)
    with transaction(engine) as session:
        read = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = :table"
        return int(session.scalar(text(read), {"table": table}))


# Of plays also those of the day before and after: the local day may be theirs.
@pytest.mark.parametrize(("table", "days"), [("play_history", 3), ("song_days", 1)])
def test_a_sweep_reads_only_the_rows_of_scattered_stale_days(history: Engine, table: str, days: int) -> None:
    with transaction(history) as session:
        wait = """
            INSERT INTO stale_days (user_id, day, mark)
            SELECT min(id), date '2021-01-10' + 10 * n, gen_random_uuid()
              FROM app_users, generate_series(0, 29) AS n GROUP BY n
        """
        session.execute(text(wait))
    read = rows_read(history, table)
    refresh(history, RULE)
    # And perhaps the first and the last, at which the planner looks.
    assert rows_read(history, table) - read <= 30 * days * PLAYS_A_DAY + 10


@pytest.fixture
def scattered(sqlite: Engine) -> Engine:
    """A play of another song on every third day, all of which wait."""
    days = [date(2021, 1, 1) + timedelta(days=3 * number) for number in range(SCATTERED)]
    plays = (play(id=event_id(d.toordinal()), time=f"{d}T12:00:00+00:00", song=song(title=str(d))) for d in days)
    rows.record(sqlite, *plays)
    return sqlite


OF_SCATTERED: dict[str, Callable[[Connection], object]] = {
    "totals of the user": lambda connection: totals(UserListening(connection, 1, RULE), EVER),
    "totals of everyone": lambda connection: totals(GlobalListening(connection, RULE), EVER),
    "artists of everyone": lambda connection: rank(GlobalListening(connection, RULE), Subject.ARTIST, EVER, most=10),
}


# What ANALYZE finds out about the histories in ../shared/data: rows, and how many share the first columns of the index.
_OF_REAL_HISTORIES = {
    "ix_play_history_song_id": "80760 6",
    "sqlite_autoindex_play_history_1": "80760 1 1",
    "sqlite_autoindex_play_history_2": "80760 26920 1 1",
    "sqlite_autoindex_songs_1": "15427 1",
    "sqlite_autoindex_stale_days_1": "1150 384 1 1",
}


def analyze(engine: Engine) -> None:
    """As an operator may. SQLite then knows how few plays a song has, and would begin with the songs."""
    with transaction(engine) as session:
        session.execute(text("ANALYZE"))
        for index, found in _OF_REAL_HISTORIES.items():
            changed = session.execute(
                text("UPDATE sqlite_stat1 SET stat = :found WHERE idx = :index"), {"found": found, "index": index}
            )
            assert changed.rowcount == 1  # type: ignore[attr-defined]
        # Reads the table again.
        session.execute(text("ANALYZE sqlite_schema"))


def steps_of(engine: Engine, question: Callable[[Connection], object]) -> int:
    """How many steps SQLite's virtual machine takes for the answer."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with snapshot(engine) as session:
        driver: Any = session.connection().connection.driver_connection
        driver.set_progress_handler(count, 1)
        question(session.connection())
        driver.set_progress_handler(None, 0)
    return steps


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize("question", OF_SCATTERED)
def test_sqlite_looks_up_the_plays_of_stale_days_by_index(scattered: Engine, question: str, *, analyzed: bool) -> None:
    if analyzed:
        analyze(scattered)
    # Some hundreds for each day and look at its plays, of which totals take three, and not for each day and play.
    assert steps_of(scattered, OF_SCATTERED[question]) < 2_500 * SCATTERED


def test_sqlite_reads_no_play_where_nothing_waits(scattered: Engine) -> None:
    analyze(scattered)
    with transaction(scattered) as session:
        session.execute(text("DELETE FROM stale_days"))
    assert steps_of(scattered, lambda connection: Backlog.of(connection, date.min, date.max, RULE)) < 5 * SCATTERED


_MARK_DAYS = "INSERT INTO stale_days (user_id, day, mark) SELECT {}, date '2021-01-01' + n, gen_random_uuid() FROM {}"
_MARK_SONGS = "INSERT INTO stale_histories (song_id, mark) SELECT id, gen_random_uuid() FROM songs LIMIT :songs"


@pytest.fixture
def imported(alone: Engine) -> Engine:
    """40,000 plays on 400 days that all wait, and a server that has not looked at any table yet."""
    with transaction(without_statement_timeout(alone)) as session:
        for table in ("app_users", "songs", "play_history", "stale_days", "stale_histories"):
            session.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))
        for statement in (*_HISTORY, "DELETE FROM stale_histories"):
            session.execute(text(statement))
        # Each batch that stored plays of a day has marked it.
        session.execute(
            text(_MARK_DAYS.format("id", "app_users, generate_series(0, 400) AS n, generate_series(1, 10)"))
        )
    return alone


@pytest.mark.parametrize("wanted", [EVER, span(Period.YEAR, date(2021, 6, 1))], ids=["ever", "a year"])
def test_totals_right_after_an_import_compare_no_play_with_each_day(imported: Engine, wanted: Span) -> None:
    asked: list[tuple[str, Any]] = []
    with snapshot(without_statement_timeout(imported)) as session:
        connection = session.connection()
        listen(connection, "before_cursor_execute", lambda _, __, *asking: asked.append(asking[:2]))
        totals(GlobalListening(connection, RULE), wanted)
        statement, values = asked[-1]
        (plan,) = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values).scalar_one()
    assert removed_by_joins(plan["Plan"]) < PLAYS


def removed_by_joins(plan: dict[str, Any]) -> int:
    """How many pairs of rows were compared and found not to belong together."""
    loops = plan["Actual Loops"]
    return int(plan.get("Rows Removed by Join Filter", 0) * loops) + sum(map(removed_by_joins, plan.get("Plans", [])))


def total_of_everyone(engine: Engine) -> Totals:
    with snapshot(engine) as session:
        return totals(GlobalListening(session.connection(), RULE), EVER)


@pytest.fixture
def after_a_backlog(history: Engine) -> Engine:
    """Nothing waits any more, and the server still takes the tables of marks for full."""
    of_all = text(_MARK_DAYS.format("id", "app_users, generate_series(0, 5000) AS n"))
    of_songs = text(_MARK_SONGS).bindparams(songs=10_000)
    for statement in (of_all, of_songs, text("DELETE FROM stale_days"), text("DELETE FROM stale_histories")):
        with transaction(history) as session:
            session.execute(statement)
    return history


@pytest.mark.parametrize("days", [1, 5])
def test_totals_of_everyone_scan_no_plays_for_stale_days(after_a_backlog: Engine, days: int) -> None:
    before = total_of_everyone(after_a_backlog)
    with transaction(after_a_backlog) as session:
        wait = _MARK_DAYS.format("min(id)", "app_users, generate_series(1, :days) AS n GROUP BY n")
        session.execute(text(wait), {"days": days})
    read = rows_read_in_turn(after_a_backlog, "play_history")
    assert total_of_everyone(after_a_backlog) == before
    assert rows_read_in_turn(after_a_backlog, "play_history") < read + FEW


def test_stale_days_of_a_song_are_found_without_a_scan_of_plays(after_a_backlog: Engine) -> None:
    with transaction(after_a_backlog) as session:
        session.execute(text(_MARK_SONGS), {"songs": 1})
    read = rows_read_in_turn(after_a_backlog, "play_history")
    with snapshot(after_a_backlog) as session:
        assert Backlog.of(session.connection(), date.min, date.max, RULE)
    assert rows_read_in_turn(after_a_backlog, "play_history") < read + FEW


def readings_of_the_index(engine: Engine) -> tuple[int, int]:
    """How many entries were read of the one that has a user's songs together, and how many rows looked up for them."""
    count_at_once(engine)
    with transaction(engine) as session:
        index = "SELECT idx_tup_read, idx_tup_fetch FROM pg_stat_user_indexes WHERE indexrelname = :name"
        entries, rows = session.execute(text(index), {"name": "ix_song_days_by_song"}).one()
        return entries, rows


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_whole_history_is_summed_by_an_index_only_scan(history: Engine, question: str) -> None:
    entries, rows = readings_of_the_index(history)
    ask(history, question)
    assert readings_of_the_index(history) == (entries + PLAYS // USERS, rows)
