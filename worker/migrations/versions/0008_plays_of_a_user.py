"""Plays of a user: the key of a play is its id together with its user, because clients choose the ids.

Workers of the previous releases name no key in their INSERT … ON CONFLICT DO NOTHING, so they record on this schema too.

Revision: 0008.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
# The index is built in the bootstrap's transaction. With millions of plays build it before, see MIGRATIONS.md. The
# constraint on `id` alone is what had to go.
squawk_ignore = ("require-concurrent-index-creation", "ban-drop-constraint")

_TABLE: Final = "play_history"
_KEY: Final = "pk_play_history"
# Not the key's name, so that it can be built while the old key is in place. The key takes it over and renames it.
_INDEX: Final = "ix_play_history_id_user_id"
_COLUMNS: Final = (
    "id, user_id, song_id, played_at, reported_at, ms_played, utc_offset_minutes, source, context, created_at, updated_at"
)
# Copies of `worker.models.triggers` as it was when this migration was written. Do not change them.
_NEW_MARK: Final = "lower(hex(randomblob(16)))"


def _days_marked(row: str) -> str:
    return f"""
        INSERT INTO stale_days (user_id, day, mark)
        SELECT {row}.user_id, date(substr({row}.played_at, 1, 19), shift || ' days'), {_NEW_MARK}
          FROM (SELECT -1 AS shift UNION SELECT 0 UNION SELECT 1)
         WHERE EXISTS (SELECT 1 FROM app_users WHERE id = {row}.user_id);
    """


_SQLITE: Final = (
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_play_deleted AFTER DELETE ON play_history
    BEGIN {_days_marked("OLD")} END
    """,
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_play_changed AFTER UPDATE ON play_history
    BEGIN {_days_marked("OLD")} {_days_marked("NEW")} END
    """,
)


def upgrade() -> None:
    _replace_key(["id", "user_id"])


def downgrade() -> None:
    # The schema below has no room for an id of two users. The later ones get a new id, and stay recognised by user,
    # moment and song.
    new_id = "gen_random_uuid()" if op.get_context().dialect.name == "postgresql" else _NEW_MARK
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"LOCK TABLE {_TABLE}")
    op.execute(
        f"UPDATE {_TABLE} SET id = {new_id} WHERE EXISTS ("
        f"SELECT 1 FROM {_TABLE} AS first WHERE first.id = {_TABLE}.id AND first.user_id < {_TABLE}.user_id)"
    )
    _replace_key(["id"])


def _replace_key(columns: list[str]) -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"LOCK TABLE {_TABLE}")
        op.create_index(_INDEX, _TABLE, columns, unique=True, if_not_exists=True)
        op.drop_constraint(_KEY, _TABLE, type_="primary")
        op.execute(f"ALTER TABLE {_TABLE} ADD CONSTRAINT {_KEY} PRIMARY KEY USING INDEX {_INDEX}")
    else:
        _rebuild(columns)


def _rebuild(key: list[str]) -> None:
    """SQLite cannot change the key of an existing table: copy the plays. Dropping the table deletes none of them."""
    now = sa.text("(CURRENT_TIMESTAMP)")
    instant = sa.DateTime(timezone=True)
    op.rename_table(_TABLE, "play_history_before")
    op.create_table(
        _TABLE,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("song_id", sa.Integer(), nullable=False),
        sa.Column("played_at", instant, nullable=False),
        sa.Column("ms_played", sa.Integer(), nullable=True),
        sa.Column("utc_offset_minutes", sa.SmallInteger(), nullable=True),
        sa.Column("source", sa.String(length=100), nullable=True),
        sa.Column("context", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", instant, server_default=now, nullable=False),
        sa.Column("updated_at", instant, server_default=now, nullable=False),
        sa.Column("reported_at", instant, nullable=True),
        sa.ForeignKeyConstraint(["song_id"], ["songs.id"], name="fk_play_history_song_id_songs", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_users.id"], name="fk_play_history_user_id_app_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(*key, name=_KEY),
        sa.UniqueConstraint("user_id", "played_at", "song_id", name="uq_play_history_user_id_played_at_song_id"),
    )
    op.execute(f"INSERT INTO {_TABLE} ({_COLUMNS}) SELECT {_COLUMNS} FROM play_history_before ORDER BY rowid")
    op.drop_table("play_history_before")
    op.create_index("ix_play_history_song_id", _TABLE, ["song_id"])
    for trigger in _SQLITE:
        op.execute(trigger)
