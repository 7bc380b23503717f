"""Songs of a user: an index from which a whole history is added up song by song.

It holds all that a question reads of `song_days`, which only sweeps write to: no recorder waits while it is built.

Revision: 0007.
"""

from typing import Final

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
# Within the bootstrap's one transaction; whoever has millions of rows builds it before, see MIGRATIONS.md.
squawk_ignore = ("require-concurrent-index-creation",)

_INDEX: Final = "ix_song_days_by_song"


def upgrade() -> None:
    op.create_index(
        _INDEX, "song_days", ["user_id", "song_id", "day", "plays", "listens", "ms_played"], if_not_exists=True
    )


def downgrade() -> None:
    op.drop_index(_INDEX, table_name="song_days")
