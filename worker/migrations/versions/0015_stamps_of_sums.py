"""A stamp for each summed stretch, by which a server knows that answers it keeps still hold.

Only adds a column. Sums that were made before have no stamp: answers about them are not kept.

Revision: 0015.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("summed_stretches", sa.Column("stamp", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("summed_stretches", "stamp")
