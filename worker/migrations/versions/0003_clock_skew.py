"""Clock skew: the time that a device with a wrong clock sent, beside the corrected time.

Only adds nullable columns, so workers of the previous release keep running: they record times as sent. If one of them
overwrites a corrected favorite or preference with a newer event, the row keeps the `reported_at` of the older event.

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
