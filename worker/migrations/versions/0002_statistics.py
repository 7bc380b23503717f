"""Statistics: rollups by hour and by song, charts, marks of what is stale, and identities of artists and albums.

Only adds, so workers of the previous release keep running.

Revision: 0002.
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
# The index on songs takes a second for a million songs, while events wait in the stream. In return the bootstrap is one
# transaction: if it is killed, it leaves nothing behind, and no INVALID index.
squawk_ignore = ("require-concurrent-index-creation",)

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
# In the order in which recorders lock them. In another order a migration and a batch deadlock.
TABLES_BY_RECORDER = ("app_users", "songs", "play_history", "preferences")
UNFILED = sa.text("artist_identity IS NULL OR (album_identity IS NULL AND album IS NOT NULL)")

# A copy of `worker.models.triggers` as it was when this migration was written. Do not change it.
_POSTGRESQL = (
    """
    CREATE OR REPLACE FUNCTION zik_mark_days(whose bigint, played_at timestamptz) RETURNS void LANGUAGE sql AS $$
        INSERT INTO stale_days (user_id, day, mark)
        SELECT whose, CAST(played_at AT TIME ZONE 'UTC' AS date) + shift, gen_random_uuid()
          FROM generate_series(-1, 1) AS shift
         WHERE EXISTS (SELECT FROM app_users WHERE id = whose)
    $$
    """,
    """
    CREATE OR REPLACE FUNCTION zik_play_corrected() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM zik_mark_days(OLD.user_id, OLD.played_at);
        IF TG_OP = 'UPDATE' THEN
            PERFORM zik_mark_days(NEW.user_id, NEW.played_at);
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION zik_song_corrected() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO stale_histories (mark, song_id) VALUES (gen_random_uuid(), NEW.id);
        RETURN NULL;
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION zik_timezone_corrected() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO stale_histories (mark, user_id)
        SELECT gen_random_uuid(), id FROM app_users WHERE id IN (OLD.user_id, NEW.user_id);
        RETURN NULL;
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION zik_user_leaves() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO stale_charts (day, mark)
        SELECT day, gen_random_uuid() FROM (SELECT DISTINCT day FROM song_days WHERE user_id = OLD.id) AS listened;
        DELETE FROM song_days WHERE user_id = OLD.id;
        DELETE FROM listening_hours WHERE user_id = OLD.id;
        RETURN OLD;
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER zik_play_corrected AFTER UPDATE OR DELETE ON play_history
       FOR EACH ROW EXECUTE FUNCTION zik_play_corrected()
    """,
    """
    CREATE OR REPLACE TRIGGER zik_song_corrected AFTER UPDATE ON songs FOR EACH ROW
      WHEN ((OLD.duration_ms, OLD.artist_identity, OLD.album_identity)
            IS DISTINCT FROM (NEW.duration_ms, NEW.artist_identity, NEW.album_identity))
    EXECUTE FUNCTION zik_song_corrected()
    """,
    """
    CREATE OR REPLACE TRIGGER zik_timezone_said AFTER INSERT OR UPDATE ON preferences
       FOR EACH ROW WHEN (NEW.key = 'timezone') EXECUTE FUNCTION zik_timezone_corrected()
    """,
    """
    CREATE OR REPLACE TRIGGER zik_timezone_unsaid AFTER DELETE ON preferences
       FOR EACH ROW WHEN (OLD.key = 'timezone') EXECUTE FUNCTION zik_timezone_corrected()
    """,
    """
    CREATE OR REPLACE TRIGGER zik_user_leaves BEFORE DELETE ON app_users
       FOR EACH ROW EXECUTE FUNCTION zik_user_leaves()
    """,
)
_POSTGRESQL_FUNCTIONS = (
    "zik_user_leaves()",
    "zik_timezone_corrected()",
    "zik_song_corrected()",
    "zik_play_corrected()",
    "zik_mark_days(bigint, timestamptz)",
)

_NEW_MARK = "lower(hex(randomblob(16)))"


def _days_marked(row: str) -> str:
    return f"""
        INSERT INTO stale_days (user_id, day, mark)
        SELECT {row}.user_id, date(substr({row}.played_at, 1, 19), shift || ' days'), {_NEW_MARK}
          FROM (SELECT -1 AS shift UNION SELECT 0 UNION SELECT 1)
         WHERE EXISTS (SELECT 1 FROM app_users WHERE id = {row}.user_id);
    """


def _history_marked(row: str) -> str:
    return f"INSERT INTO stale_histories (mark, user_id) SELECT {_NEW_MARK}, id FROM app_users WHERE id = {row}.user_id;"


_SQLITE = (
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_play_deleted AFTER DELETE ON play_history
    BEGIN {_days_marked("OLD")} END
    """,
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_play_changed AFTER UPDATE ON play_history
    BEGIN {_days_marked("OLD")} {_days_marked("NEW")} END
    """,
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_song_corrected AFTER UPDATE ON songs
      WHEN (OLD.duration_ms, OLD.artist_identity, OLD.album_identity)
           IS NOT (NEW.duration_ms, NEW.artist_identity, NEW.album_identity)
    BEGIN INSERT INTO stale_histories (mark, song_id) VALUES ({_NEW_MARK}, NEW.id); END
    """,
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_timezone_said AFTER INSERT ON preferences WHEN NEW.key = 'timezone'
    BEGIN {_history_marked("NEW")} END
    """,
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_timezone_changed AFTER UPDATE ON preferences
      WHEN 'timezone' IN (OLD.key, NEW.key)
    BEGIN {_history_marked("OLD")} {_history_marked("NEW")} END
    """,
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_timezone_unsaid AFTER DELETE ON preferences WHEN OLD.key = 'timezone'
    BEGIN {_history_marked("OLD")} END
    """,
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_user_leaves BEFORE DELETE ON app_users
    BEGIN
        INSERT INTO stale_charts (day, mark)
        SELECT day, {_NEW_MARK} FROM (SELECT DISTINCT day FROM song_days WHERE user_id = OLD.id);
        DELETE FROM song_days WHERE user_id = OLD.id;
        DELETE FROM listening_hours WHERE user_id = OLD.id;
    END
    """,
)


def timestamps() -> tuple[sa.Column[datetime], sa.Column[datetime]]:
    return (
        sa.Column("created_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.func.now(), nullable=False),
    )


def upgrade() -> None:
    _lock(songs="ACCESS EXCLUSIVE", others="SHARE ROW EXCLUSIVE")
    op.add_column("songs", sa.Column("artist_identity", sa.Uuid(), nullable=True))
    op.add_column("songs", sa.Column("album_identity", sa.Uuid(), nullable=True))
    op.create_index("ix_songs_unfiled", "songs", ["id"], postgresql_where=UNFILED, sqlite_where=UNFILED)
    op.create_table(
        "listening_hours",
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("hour", sa.SmallInteger(), nullable=False),
        sa.Column("plays", sa.Integer(), nullable=False),
        sa.Column("listens", sa.Integer(), nullable=False),
        sa.Column("ms_played", sa.BigInteger(), nullable=False),
        *timestamps(),
        sa.PrimaryKeyConstraint("user_id", "day", "hour", name="pk_listening_hours"),
    )
    op.create_table(
        "song_days",
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("song_id", KEY, nullable=False),
        sa.Column("plays", sa.Integer(), nullable=False),
        sa.Column("listens", sa.Integer(), nullable=False),
        sa.Column("ms_played", sa.BigInteger(), nullable=False),
        *timestamps(),
        sa.PrimaryKeyConstraint("user_id", "day", "song_id", name="pk_song_days"),
    )
    op.create_index("ix_song_days_day", "song_days", ["day"])
    op.create_table(
        "charts",
        sa.Column("subject", sa.String(length=8), nullable=False),
        sa.Column("period", sa.String(length=8), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("artist", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("plays", sa.BigInteger(), nullable=False),
        sa.Column("listens", sa.BigInteger(), nullable=False),
        sa.Column("ms_played", sa.BigInteger(), nullable=False),
        sa.Column("listeners", sa.Integer(), nullable=False),
        *timestamps(),
        sa.PrimaryKeyConstraint("subject", "period", "starts_on", "place", name="pk_charts"),
    )
    op.create_table(
        "stale_histories",
        sa.Column("mark", sa.Uuid(), nullable=False),
        sa.Column("user_id", KEY, nullable=True),
        sa.Column("song_id", KEY, nullable=True),
        *timestamps(),
        sa.ForeignKeyConstraint(
            ["song_id"], ["songs.id"], name="fk_stale_histories_song_id_songs", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_users.id"], name="fk_stale_histories_user_id_app_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("mark", name="pk_stale_histories"),
    )
    op.create_table(
        "stale_charts",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("mark", sa.Uuid(), nullable=False),
        *timestamps(),
        sa.PrimaryKeyConstraint("day", "mark", name="pk_stale_charts"),
    )
    for statement in _POSTGRESQL if op.get_context().dialect.name == "postgresql" else _SQLITE:
        op.execute(statement)


def _lock(*, songs: str, others: str) -> None:
    if op.get_context().dialect.name == "postgresql":
        for table in TABLES_BY_RECORDER:
            op.execute(f"LOCK TABLE {table} IN {songs if table == 'songs' else others} MODE")


# Mark the days of the dropped rollups, for the sweeps after the next upgrade. Mark their neighbours too: a play may
# have moved there when its user's timezone changed.
_FORGOTTEN = {
    "postgresql": """
        INSERT INTO stale_days (user_id, day, mark)
        SELECT user_id, day, gen_random_uuid()
          FROM (SELECT DISTINCT user_id, day + shift AS day
                  FROM listening_hours CROSS JOIN generate_series(-1, 1) AS shift) AS days
         WHERE user_id IN (SELECT id FROM app_users)
    """,
    "sqlite": f"""
        INSERT INTO stale_days (user_id, day, mark)
        SELECT user_id, day, {_NEW_MARK}
          FROM (SELECT DISTINCT user_id, date(day, shift || ' days') AS day
                  FROM listening_hours CROSS JOIN (SELECT -1 AS shift UNION SELECT 0 UNION SELECT 1)) AS days
         WHERE user_id IN (SELECT id FROM app_users)
    """,
}


def downgrade() -> None:
    _lock(songs="ACCESS EXCLUSIVE", others="ACCESS EXCLUSIVE")
    op.execute(_FORGOTTEN[op.get_context().dialect.name])
    if op.get_context().dialect.name == "postgresql":
        for function in _POSTGRESQL_FUNCTIONS:
            op.execute(f"DROP FUNCTION {function} CASCADE")
    else:
        for trigger in (
            "zik_play_deleted",
            "zik_play_changed",
            "zik_song_corrected",
            "zik_timezone_said",
            "zik_timezone_changed",
            "zik_timezone_unsaid",
            "zik_user_leaves",
        ):
            op.execute(f"DROP TRIGGER {trigger}")
    op.drop_table("stale_charts")
    op.drop_table("stale_histories")
    op.drop_table("charts")
    op.drop_index("ix_song_days_day", table_name="song_days")
    op.drop_table("song_days")
    op.drop_table("listening_hours")
    op.drop_index("ix_songs_unfiled", table_name="songs")
    op.drop_column("songs", "album_identity")
    op.drop_column("songs", "artist_identity")
