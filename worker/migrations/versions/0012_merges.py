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
_FREE = """
        UPDATE songs SET merged_into_id = nullif(merged_into_id, OLD.id), counts_as_id = nullif(counts_as_id, OLD.id),
                         is_filed = false
         WHERE merged_into_id = OLD.id OR counts_as_id = OLD.id;
"""
_FORGET = """
        DELETE FROM merges
         WHERE subject = 'song' AND (identity = OLD.twin_identity OR into_identity = OLD.twin_identity)
           AND NOT EXISTS (SELECT 1 FROM songs WHERE twin_identity = OLD.twin_identity);
"""


def _create(moment: str, work: str) -> tuple[str, ...]:
    if op.get_context().dialect.name == "postgresql":
        return (
            f"""
    CREATE OR REPLACE FUNCTION zik_song_leaves() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN {work}
        RETURN OLD;
    END $$
    """,
            f"""
    CREATE OR REPLACE TRIGGER zik_song_leaves {moment} DELETE ON songs
       FOR EACH ROW EXECUTE FUNCTION zik_song_leaves()
    """,
        )
    return (
        "DROP TRIGGER zik_song_leaves",
        f"CREATE TRIGGER zik_song_leaves {moment} DELETE ON songs BEGIN {work} END",
    )


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
    for statement in _create("AFTER", _FREE + _FORGET):
        op.execute(statement)


def downgrade() -> None:
    """Merges by hand are forgotten. Twins stay."""
    for statement in _create("BEFORE", _FREE):
        op.execute(statement)
    op.drop_table("merges")
