"""Songs of a user: an index that adds up a whole history song by song.

It holds every column of `song_days` that a question reads. Only sweeps write to that table, so no recorder waits while
the index is built.

Revision: 0007.
"""

from typing import Final

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
# Built in the bootstrap's transaction. With millions of rows build it before, see MIGRATIONS.md.
squawk_ignore = ("require-concurrent-index-creation",)

_INDEX: Final = "ix_song_days_by_song"


def upgrade() -> None:
    op.create_index(
        _INDEX, "song_days", ["user_id", "song_id", "day", "plays", "listens", "ms_played"], if_not_exists=True
    )


def downgrade() -> None:
    op.drop_index(_INDEX, table_name="song_days")
