"""Tokens of the HTTP door, feedback on songs that are not there yet, and an index of songs by MBID.

Only adds, so workers of the previous releases keep running.

Revision: 0009.
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
# Built in the bootstrap's transaction. With millions of songs build it before, see MIGRATIONS.md.
squawk_ignore = ("require-concurrent-index-creation",)

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
LIKE_A_UUID = sa.text("length(attributes ->> 'mbid') = 36")


def timestamps() -> tuple[sa.Column[datetime], sa.Column[datetime]]:
    return (
        sa.Column("created_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.func.now(), nullable=False),
    )


def upgrade() -> None:
    _lock("SHARE ROW EXCLUSIVE")
    op.create_table(
        "tokens",
        sa.Column("id", KEY, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("scopes", sa.String(length=100), nullable=False),
        sa.Column("audioscrobbler", sa.String(length=32), nullable=True),
        sa.Column("last_used_at", INSTANT, nullable=True),
        *timestamps(),
        sa.ForeignKeyConstraint(["user_id"], ["app_users.id"], name="fk_tokens_user_id_app_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
        sa.UniqueConstraint("user_id", "name", name="uq_tokens_user_id_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "pending_feedback",
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("reference", sa.String(length=41), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=False),
        sa.Column("said_at", INSTANT, nullable=False),
        *timestamps(),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_users.id"], name="fk_pending_feedback_user_id_app_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "reference", name="pk_pending_feedback"),
    )
    op.create_index(
        "ix_songs_mbid",
        "songs",
        [sa.text("lower(attributes ->> 'mbid')")],
        postgresql_where=LIKE_A_UUID,
        sqlite_where=LIKE_A_UUID,
        if_not_exists=True,
    )


def downgrade() -> None:
    _lock("ACCESS EXCLUSIVE")
    op.drop_index("ix_songs_mbid", table_name="songs")
    op.drop_table("pending_feedback")
    op.drop_table("tokens")


def _lock(mode: str) -> None:
    """In the order in which recorders lock the tables."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"LOCK TABLE app_users, songs IN {mode} MODE")
