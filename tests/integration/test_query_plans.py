"""What PostgreSQL plans while the tables are small, and keeps to when they are not."""

from sqlalchemy import Engine, text

from tests.strategies import accepted, event_id, play, song
from worker.database import patient, transaction
from worker.recorders.batch import Known, record_batch

SONGS = 500


def rows_read_in_turn(engine: Engine) -> int:
    """By whole readings of the users or the songs, as the server counts them."""
    with transaction(engine) as session:
        session.execute(text("SELECT pg_stat_force_next_flush()"))
    with transaction(engine) as session:
        return int(
            session.scalar(
                text("SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname IN ('app_users', 'songs')")
            )
        )


def test_plays_are_checked_by_key_however_few_songs_there_were_at_first(postgres: Engine) -> None:
    known = Known()

    def record(number: int) -> None:
        event = play(id=event_id(number), song=song(title=f"song {number}"))
        with transaction(postgres) as session:
            known.learn(record_batch(session.connection(), accepted(event), known=known))

    record(0)
    with transaction(patient(postgres)) as session:
        # As autovacuum does: now the server knows how small they are.
        session.execute(text("ANALYZE app_users, songs"))
    before = rows_read_in_turn(postgres)
    for number in range(1, SONGS):
        record(number)
    assert rows_read_in_turn(postgres) == before
