"""Sums of long histories: what songs, artists, albums and days add up to over years.

Only adds. Sweeps fill the tables for users with a long history; without them answers read each day. Sweeps of the
release before do not delete sums that no longer hold, so they must have ended before those of the new release begin:
at this revision they fail at the keys of 0011.

Revision: 0014.
"""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

KEY: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT: Final = sa.DateTime(timezone=True)
_TABLES: Final = ("summed_stretches", "subject_sums", "day_sums")

# Copies of `worker.models.triggers` as it was when this migration was written, and before. Do not change them.
_POSTGRESQL: Final = (
    """
    CREATE OR REPLACE FUNCTION zik_user_leaves() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO stale_charts (day, mark)
        SELECT day, gen_random_uuid() FROM (SELECT DISTINCT day FROM song_days WHERE user_id = OLD.id) AS listened;
        DELETE FROM song_days WHERE user_id = OLD.id;
        DELETE FROM listening_hours WHERE user_id = OLD.id;
        DELETE FROM stale_days WHERE user_id = OLD.id;
        DELETE FROM summed_stretches WHERE user_id = OLD.id;
        DELETE FROM subject_sums WHERE user_id = OLD.id;
        DELETE FROM day_sums WHERE user_id = OLD.id;
        RETURN OLD;
    END $$
    """,
)
_POSTGRESQL_BEFORE: Final = (
    """
    CREATE OR REPLACE FUNCTION zik_user_leaves() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO stale_charts (day, mark)
        SELECT day, gen_random_uuid() FROM (SELECT DISTINCT day FROM song_days WHERE user_id = OLD.id) AS listened;
        DELETE FROM song_days WHERE user_id = OLD.id;
        DELETE FROM listening_hours WHERE user_id = OLD.id;
        DELETE FROM stale_days WHERE user_id = OLD.id;
        RETURN OLD;
    END $$
    """,
)
_SQLITE: Final = (
    "DROP TRIGGER zik_user_leaves",
    """
    CREATE TRIGGER IF NOT EXISTS zik_user_leaves BEFORE DELETE ON app_users
    BEGIN
        INSERT INTO stale_charts (day, mark)
        SELECT day, lower(hex(randomblob(16))) FROM (SELECT DISTINCT day FROM song_days WHERE user_id = OLD.id);
        DELETE FROM song_days WHERE user_id = OLD.id;
        DELETE FROM listening_hours WHERE user_id = OLD.id;
        DELETE FROM stale_days WHERE user_id = OLD.id;
        DELETE FROM summed_stretches WHERE user_id = OLD.id;
        DELETE FROM subject_sums WHERE user_id = OLD.id;
        DELETE FROM day_sums WHERE user_id = OLD.id;
    END
    """,
)
_SQLITE_BEFORE: Final = (
    "DROP TRIGGER zik_user_leaves",
    """
    CREATE TRIGGER IF NOT EXISTS zik_user_leaves BEFORE DELETE ON app_users
    BEGIN
        INSERT INTO stale_charts (day, mark)
        SELECT day, lower(hex(randomblob(16))) FROM (SELECT DISTINCT day FROM song_days WHERE user_id = OLD.id);
        DELETE FROM song_days WHERE user_id = OLD.id;
        DELETE FROM listening_hours WHERE user_id = OLD.id;
        DELETE FROM stale_days WHERE user_id = OLD.id;
    END
    """,
)


def _replace_trigger(postgresql: tuple[str, ...], sqlite: tuple[str, ...]) -> None:
    for statement in postgresql if op.get_context().dialect.name == "postgresql" else sqlite:
        op.execute(statement)


def _stretch() -> list[sa.Column[Any]]:
    return [
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
    ]


def _sums() -> list[sa.Column[Any]]:
    return [
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("plays", sa.Integer(), nullable=False),
        sa.Column("listens", sa.Integer(), nullable=False),
        sa.Column("ms_played", sa.BigInteger(), nullable=False),
    ]


def _timestamps() -> list[sa.Column[Any]]:
    return [
        sa.Column(name, INSTANT, server_default=sa.func.now(), nullable=False) for name in ("created_at", "updated_at")
    ]


def upgrade() -> None:
    op.create_table(
        "summed_stretches",
        *_stretch(),
        *_timestamps(),
        sa.PrimaryKeyConstraint("user_id", "first_day", "last_day", name="pk_summed_stretches"),
    )
    op.create_table(
        "subject_sums",
        *_stretch(),
        sa.Column("subject", sa.String(length=8), nullable=False),
        sa.Column("filed_under", sa.Uuid(), nullable=False),
        sa.Column("named_song_id", sa.BigInteger(), nullable=True),
        sa.Column("named_track_id", sa.BigInteger(), nullable=True),
        *_sums(),
        *_timestamps(),
        sa.PrimaryKeyConstraint(
            "user_id", "first_day", "last_day", "subject", "filed_under", name="pk_subject_sums"
        ),
    )
    op.create_index("ix_subject_sums_filed_under_user_id", "subject_sums", ["filed_under", "user_id"])
    by_listens = ["user_id", "first_day", "last_day", "subject", "listens"]
    op.create_index("ix_subject_sums_by_listens", "subject_sums", by_listens)
    op.create_table(
        "day_sums",
        *_stretch(),
        *_sums(),
        *_timestamps(),
        sa.PrimaryKeyConstraint("user_id", "first_day", "last_day", "day", name="pk_day_sums"),
    )
    _replace_trigger(_POSTGRESQL, _SQLITE)


def downgrade() -> None:
    """Answers read each day again."""
    _replace_trigger(_POSTGRESQL_BEFORE, _SQLITE_BEFORE)
    for table in _TABLES:
        op.drop_table(table)
