"""The beginning: users, songs, plays, favorites, preferences, dead letters, stale days.

Revision: 0001.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "app_users",
        sa.Column("id", KEY, nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("moods", JSON, nullable=True),
        sa.Column("created_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_app_users"),
        sa.UniqueConstraint("email", name="uq_app_users_email"),
        sa.UniqueConstraint("username", name="uq_app_users_username"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", KEY, nullable=False),
        sa.Column("entry_id", sa.String(length=41), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="1", nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letters"),
        sa.UniqueConstraint("entry_id", name="uq_dead_letters_entry_id"),
    )
    op.create_index("ix_dead_letters_reason", "dead_letters", ["reason"])
    op.create_table(
        "songs",
        sa.Column("id", KEY, nullable=False),
        sa.Column("identity", sa.Uuid(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("artist", sa.Text(), nullable=False),
        sa.Column("album", sa.String(length=500), nullable=True),
        sa.Column("attributes", JSON, nullable=True),
        sa.Column("created_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_songs"),
        sa.UniqueConstraint("identity", name="uq_songs_identity"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "favorites",
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("song_id", KEY, nullable=False),
        sa.Column("said_at", INSTANT, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("is_favorite", sa.Boolean(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(["song_id"], ["songs.id"], name="fk_favorites_song_id_songs", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_users.id"], name="fk_favorites_user_id_app_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "song_id", name="pk_favorites"),
    )
    op.create_index("ix_favorites_song_id", "favorites", ["song_id"])
    op.create_table(
        "play_history",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("song_id", KEY, nullable=False),
        sa.Column("played_at", INSTANT, nullable=False),
        sa.Column("ms_played", sa.Integer(), nullable=True),
        sa.Column("utc_offset_minutes", sa.SmallInteger(), nullable=True),
        sa.Column("source", sa.String(length=100), nullable=True),
        sa.Column("context", JSON, nullable=True),
        sa.Column("created_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(["song_id"], ["songs.id"], name="fk_play_history_song_id_songs", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_users.id"], name="fk_play_history_user_id_app_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_play_history"),
        sa.UniqueConstraint("user_id", "played_at", "song_id", name="uq_play_history_user_id_played_at_song_id"),
    )
    op.create_index("ix_play_history_song_id", "play_history", ["song_id"])
    op.create_table(
        "preferences",
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("said_at", INSTANT, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("value", JSON, nullable=True),
        sa.Column("created_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_users.id"], name="fk_preferences_user_id_app_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "key", name="pk_preferences"),
    )
    op.create_table(
        "stale_days",
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("mark", sa.Uuid(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_users.id"], name="fk_stale_days_user_id_app_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "day", "mark", name="pk_stale_days"),
    )


def downgrade() -> None:
    op.drop_table("stale_days")
    op.drop_table("preferences")
    op.drop_index("ix_play_history_song_id", table_name="play_history")
    op.drop_table("play_history")
    op.drop_index("ix_favorites_song_id", table_name="favorites")
    op.drop_table("favorites")
    op.drop_table("songs")
    op.drop_index("ix_dead_letters_reason", table_name="dead_letters")
    op.drop_table("dead_letters")
    op.drop_table("app_users")
