"""Corrected plays: plays as they were before their users deleted or edited them, and the trigger that keeps them away.

Workers of the previous release see such a play neither in `play_history` nor in their statistics. If one of them
records it again, the trigger takes it away.

Revision: 0010.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

KEY: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT: Final = sa.DateTime(timezone=True)
JSON: Final = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

# Copies of `worker.models.play_triggers` as it was when this migration was written, and before. Do not change them.
_KEPT: Final = "song_id, played_at, reported_at, ms_played, utc_offset_minutes, source, context"
_OLD: Final = ", ".join(f"OLD.{name}" for name in _KEPT.split(", "))
_KEEP: Final = f"""
            INSERT INTO corrected_plays (user_id, id, number, is_deletion, {_KEPT}, recorded_at)
            SELECT OLD.user_id, OLD.id, 1 + (SELECT coalesce(max(number), 0) FROM corrected_plays
                                              WHERE user_id = OLD.user_id AND id = OLD.id),
                   true, {_OLD}, OLD.created_at
             WHERE EXISTS (SELECT 1 FROM app_users WHERE id = OLD.user_id)
               AND EXISTS (SELECT 1 FROM songs WHERE id = OLD.song_id)
"""

_NEW_MARK: Final = "lower(hex(randomblob(16)))"


def _days_marked(row: str) -> str:
    return f"""
        INSERT INTO stale_days (user_id, day, mark)
        SELECT {row}.user_id, date(substr({row}.played_at, 1, 19), shift || ' days'), {_NEW_MARK}
          FROM (SELECT -1 AS shift UNION SELECT 0 UNION SELECT 1)
         WHERE EXISTS (SELECT 1 FROM app_users WHERE id = {row}.user_id);
    """


_POSTGRESQL: Final = (
    # A deeper trigger is `zik_play_returns`.
    f"""
    CREATE OR REPLACE FUNCTION zik_play_corrected() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM zik_mark_days(OLD.user_id, OLD.played_at);
        IF TG_OP = 'UPDATE' THEN
            PERFORM zik_mark_days(NEW.user_id, NEW.played_at);
        ELSIF pg_trigger_depth() = 1 THEN {_KEEP};
        END IF;
        RETURN NULL;
    END $$
    """,
    # For a statement and not for a row: a trigger for each row would cost COPY a tenth of its speed.
    """
    CREATE OR REPLACE FUNCTION zik_play_returns() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE returned record;
    BEGIN
        IF EXISTS (SELECT FROM corrected_plays) THEN
            -- OFFSET 0 and one DELETE for each: PostgreSQL would sooner read all corrections, and all plays.
            FOR returned IN
                SELECT play.id, play.user_id FROM inserted AS play
                 WHERE EXISTS (
                    SELECT FROM corrected_plays AS known
                     WHERE known.song_id = play.song_id AND known.user_id = play.user_id
                       AND ((known.id <> play.id AND known.played_at = play.played_at)
                            OR (known.id = play.id AND EXISTS (
                                SELECT FROM corrected_plays AS deleted
                                 WHERE deleted.user_id = play.user_id AND deleted.id = play.id
                                   AND deleted.is_deletion)))
                    OFFSET 0)
            LOOP
                DELETE FROM play_history WHERE id = returned.id AND user_id = returned.user_id;
            END LOOP;
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER zik_play_returns AFTER INSERT ON play_history REFERENCING NEW TABLE AS inserted
       FOR EACH STATEMENT EXECUTE FUNCTION zik_play_returns()
    """,
)
_POSTGRESQL_BEFORE: Final = (
    "DROP TRIGGER zik_play_returns ON play_history",
    "DROP FUNCTION zik_play_returns()",
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
)
_SQLITE: Final = (
    "DROP TRIGGER zik_play_deleted",
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_play_deleted AFTER DELETE ON play_history
    BEGIN {_days_marked("OLD")} {_KEEP};
    END
    """,
    # Skips the row, as ON CONFLICT DO NOTHING does.
    """
    CREATE TRIGGER IF NOT EXISTS zik_play_returns BEFORE INSERT ON play_history
      WHEN EXISTS (
        SELECT 1 FROM corrected_plays AS known
         WHERE known.song_id = NEW.song_id AND known.user_id = NEW.user_id
           AND ((known.id <> NEW.id AND known.played_at = NEW.played_at)
                OR (known.id = NEW.id AND EXISTS (
                    SELECT 1 FROM corrected_plays AS deleted
                     WHERE deleted.user_id = NEW.user_id AND deleted.id = NEW.id AND deleted.is_deletion))))
    BEGIN SELECT raise(IGNORE); END
    """,
)
_SQLITE_BEFORE: Final = (
    "DROP TRIGGER zik_play_returns",
    "DROP TRIGGER zik_play_deleted",
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_play_deleted AFTER DELETE ON play_history
    BEGIN {_days_marked("OLD")} END
    """,
)


def upgrade() -> None:
    _lock("SHARE ROW EXCLUSIVE")
    op.create_table(
        "corrected_plays",
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("is_deletion", sa.Boolean(), nullable=False),
        sa.Column("song_id", KEY, nullable=False),
        sa.Column("played_at", INSTANT, nullable=False),
        sa.Column("reported_at", INSTANT, nullable=True),
        sa.Column("ms_played", sa.Integer(), nullable=True),
        sa.Column("utc_offset_minutes", sa.SmallInteger(), nullable=True),
        sa.Column("source", sa.String(length=100), nullable=True),
        sa.Column("context", JSON, nullable=True),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(["song_id"], ["songs.id"], name="fk_corrected_plays_song_id_songs", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_users.id"], name="fk_corrected_plays_user_id_app_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "id", "number", name="pk_corrected_plays"),
    )
    op.create_index("ix_corrected_plays_song_id_user_id_played_at", "corrected_plays", ["song_id", "user_id", "played_at"])
    _replace(_POSTGRESQL, _SQLITE)


def downgrade() -> None:
    """Deleted plays stay deleted and edited plays edited. How they were before is lost."""
    _lock("ACCESS EXCLUSIVE")
    _replace(_POSTGRESQL_BEFORE, _SQLITE_BEFORE)
    op.drop_table("corrected_plays")


def _replace(postgresql: tuple[str, ...], sqlite: tuple[str, ...]) -> None:
    for statement in postgresql if op.get_context().dialect.name == "postgresql" else sqlite:
        op.execute(statement)


def _lock(mode: str) -> None:
    """In the order in which recorders lock the tables."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"LOCK TABLE app_users, songs, play_history IN {mode} MODE")
