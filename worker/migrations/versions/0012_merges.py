"""Merges: what people have said to be one song or one artist.

Only adds. A song that is deleted frees its twins afterwards and no longer before: one DELETE may take both, and
PostgreSQL refuses to delete a row that the same statement has changed.

Revision: 0012.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

# Copies of `worker.models.triggers` as it was when this migration was written, and before. Do not change them.
_POSTGRESQL = (
    """
    CREATE OR REPLACE FUNCTION zik_song_leaves() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE songs SET merged_into_id = nullif(merged_into_id, OLD.id), counts_as_id = nullif(counts_as_id, OLD.id),
                         is_filed = false
         WHERE merged_into_id = OLD.id OR counts_as_id = OLD.id;
        DELETE FROM merges
         WHERE subject = 'song' AND (identity = OLD.twin_identity OR into_identity = OLD.twin_identity)
           AND NOT EXISTS (SELECT 1 FROM songs WHERE twin_identity = OLD.twin_identity);
        RETURN OLD;
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER zik_song_leaves AFTER DELETE ON songs
       FOR EACH ROW EXECUTE FUNCTION zik_song_leaves()
    """,
)
_POSTGRESQL_BEFORE = (
    """
    CREATE OR REPLACE FUNCTION zik_song_leaves() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE songs SET merged_into_id = nullif(merged_into_id, OLD.id), counts_as_id = nullif(counts_as_id, OLD.id),
                         is_filed = false
         WHERE merged_into_id = OLD.id OR counts_as_id = OLD.id;
        RETURN OLD;
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER zik_song_leaves BEFORE DELETE ON songs
       FOR EACH ROW EXECUTE FUNCTION zik_song_leaves()
    """,
)
_SQLITE = (
    "DROP TRIGGER zik_song_leaves",
    """
    CREATE TRIGGER IF NOT EXISTS zik_song_leaves AFTER DELETE ON songs
    BEGIN
        UPDATE songs SET merged_into_id = nullif(merged_into_id, OLD.id), counts_as_id = nullif(counts_as_id, OLD.id),
                         is_filed = false
         WHERE merged_into_id = OLD.id OR counts_as_id = OLD.id;
        DELETE FROM merges
         WHERE subject = 'song' AND (identity = OLD.twin_identity OR into_identity = OLD.twin_identity)
           AND NOT EXISTS (SELECT 1 FROM songs WHERE twin_identity = OLD.twin_identity);
    END
    """,
)
_SQLITE_BEFORE = (
    "DROP TRIGGER zik_song_leaves",
    """
    CREATE TRIGGER IF NOT EXISTS zik_song_leaves BEFORE DELETE ON songs
    BEGIN
        UPDATE songs SET merged_into_id = nullif(merged_into_id, OLD.id), counts_as_id = nullif(counts_as_id, OLD.id),
                         is_filed = false
         WHERE merged_into_id = OLD.id OR counts_as_id = OLD.id;
    END
    """,
)


def _replace_trigger(postgresql: tuple[str, ...], sqlite: tuple[str, ...]) -> None:
    for statement in postgresql if op.get_context().dialect.name == "postgresql" else sqlite:
        op.execute(statement)


def upgrade() -> None:
    op.create_table(
        "merges",
        sa.Column("subject", sa.String(length=8), nullable=False),
        sa.Column("identity", sa.Uuid(), nullable=False),
        sa.Column("into_identity", sa.Uuid(), nullable=False),
        sa.Column("counts_as_identity", sa.Uuid(), nullable=False),
        sa.Column("into_artist", sa.Text(), nullable=True),
        sa.Column("created_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "identity", name="pk_merges"),
    )
    _replace_trigger(_POSTGRESQL, _SQLITE)


def downgrade() -> None:
    """Merges by hand are forgotten. Twins stay."""
    _replace_trigger(_POSTGRESQL_BEFORE, _SQLITE_BEFORE)
    op.drop_table("merges")
