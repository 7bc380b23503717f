"""Clock skew: what a device with a wrong clock told, beside the corrected time.

Only adds nullable columns, so that workers of the previous release go on: they record times as told. Where one of them
overwrites a corrected favorite or preference with a newer word, the row keeps the `reported_at` of the word before.

Revision: 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("play_history", "favorites", "preferences")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "reported_at")
