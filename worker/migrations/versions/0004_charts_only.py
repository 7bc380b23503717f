"""Charts only: filing a song under another artist or album changes charts, not the days of its plays.

Adds a nullable column. Null means the whole history, as before.

Revision: 0004.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Copies of `worker.models.triggers` as it was when this migration was written, and before. Do not change them.
_POSTGRESQL: Final = """
    CREATE OR REPLACE FUNCTION zik_song_corrected() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO stale_histories (mark, song_id, charts_only)
        VALUES (gen_random_uuid(), NEW.id, NEW.duration_ms IS NOT DISTINCT FROM OLD.duration_ms);
        RETURN NULL;
    END $$
"""
_POSTGRESQL_BEFORE: Final = """
    CREATE OR REPLACE FUNCTION zik_song_corrected() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO stale_histories (mark, song_id) VALUES (gen_random_uuid(), NEW.id);
        RETURN NULL;
    END $$
"""
_SQLITE: Final = """
    CREATE TRIGGER IF NOT EXISTS zik_song_corrected AFTER UPDATE ON songs
      WHEN (OLD.duration_ms, OLD.artist_identity, OLD.album_identity)
           IS NOT (NEW.duration_ms, NEW.artist_identity, NEW.album_identity)
    BEGIN
        INSERT INTO stale_histories (mark, song_id, charts_only)
        VALUES (lower(hex(randomblob(16))), NEW.id, NEW.duration_ms IS OLD.duration_ms);
    END
"""
_SQLITE_BEFORE: Final = """
    CREATE TRIGGER IF NOT EXISTS zik_song_corrected AFTER UPDATE ON songs
      WHEN (OLD.duration_ms, OLD.artist_identity, OLD.album_identity)
           IS NOT (NEW.duration_ms, NEW.artist_identity, NEW.album_identity)
    BEGIN INSERT INTO stale_histories (mark, song_id) VALUES (lower(hex(randomblob(16))), NEW.id); END
"""


def upgrade() -> None:
    op.add_column("stale_histories", sa.Column("charts_only", sa.Boolean(), nullable=True))
    _replace(_POSTGRESQL, _SQLITE)


def downgrade() -> None:
    _replace(_POSTGRESQL_BEFORE, _SQLITE_BEFORE)
    op.drop_column("stale_histories", "charts_only")


def _replace(postgresql: str, sqlite: str) -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute(postgresql)
    else:
        op.execute("DROP TRIGGER zik_song_corrected")
        op.execute(sqlite)
