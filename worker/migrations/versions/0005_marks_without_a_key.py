"""Marks without a foreign key: the foreign key of the stored play has already checked the user.

`stale_days` loses its reference to `app_users`, which took a third of the time of marking a day. The trigger on deleted
users deletes the marks instead. Workers of the previous release are not affected.

Revision: 0005.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
# The trigger keeps the guarantee.
squawk_ignore = ("ban-drop-constraint",)

_KEY: Final = "fk_stale_days_user_id_app_users"
# Copies of `worker.models.triggers` as it was when this migration was written, and before. Do not change them.
_CHARTS: Final = "SELECT DISTINCT day FROM song_days WHERE user_id = OLD.id"
_POSTGRESQL: Final = f"""
    CREATE OR REPLACE FUNCTION zik_user_leaves() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO stale_charts (day, mark)
        SELECT day, gen_random_uuid() FROM ({_CHARTS}) AS listened;
        DELETE FROM song_days WHERE user_id = OLD.id;
        DELETE FROM listening_hours WHERE user_id = OLD.id;
        DELETE FROM stale_days WHERE user_id = OLD.id;
        RETURN OLD;
    END $$
"""
_SQLITE: Final = f"""
    CREATE TRIGGER zik_user_leaves BEFORE DELETE ON app_users
    BEGIN
        INSERT INTO stale_charts (day, mark)
        SELECT day, lower(hex(randomblob(16))) FROM ({_CHARTS});
        DELETE FROM song_days WHERE user_id = OLD.id;
        DELETE FROM listening_hours WHERE user_id = OLD.id;
        DELETE FROM stale_days WHERE user_id = OLD.id;
    END
"""
_NO_MARKS: Final = "        DELETE FROM stale_days WHERE user_id = OLD.id;\n"


def upgrade() -> None:
    _on_user_leaves(_POSTGRESQL, _SQLITE)
    if op.get_context().dialect.name == "postgresql":
        # In the order in which recorders lock them.
        op.execute("LOCK TABLE app_users, stale_days")
        op.drop_constraint(_KEY, "stale_days", type_="foreignkey")
    else:
        _rebuild_stale_days()


def downgrade() -> None:
    # Marks of deleted users mean nothing, and the key would refuse them.
    op.execute("DELETE FROM stale_days WHERE user_id NOT IN (SELECT id FROM app_users)")
    if op.get_context().dialect.name == "postgresql":
        # NOT VALID: only new marks are checked. VALIDATE then checks the stored ones, without blocking writers.
        op.execute(
            f"ALTER TABLE stale_days ADD CONSTRAINT {_KEY} FOREIGN KEY (user_id) REFERENCES app_users (id)"
            " ON DELETE CASCADE NOT VALID"
        )
        op.execute(f"ALTER TABLE stale_days VALIDATE CONSTRAINT {_KEY}")
    else:
        _rebuild_stale_days(sa.ForeignKeyConstraint(["user_id"], ["app_users.id"], name=_KEY, ondelete="CASCADE"))
    _on_user_leaves(_POSTGRESQL.replace(_NO_MARKS, ""), _SQLITE.replace(_NO_MARKS, ""))


def _on_user_leaves(postgresql: str, sqlite: str) -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute(postgresql)
    else:
        op.execute("DROP TRIGGER zik_user_leaves")
        op.execute(sqlite)


def _rebuild_stale_days(*key: sa.ForeignKeyConstraint) -> None:
    """SQLite cannot change a constraint of an existing table. The marks are few: copy them."""
    op.execute("CREATE TEMPORARY TABLE carried AS SELECT * FROM stale_days")
    op.drop_table("stale_days")
    now = sa.text("(CURRENT_TIMESTAMP)")
    op.create_table(
        "stale_days",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("mark", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "day", "mark", name="pk_stale_days"),
        *key,
    )
    op.execute(
        "INSERT INTO stale_days (user_id, day, mark, created_at, updated_at)"
        " SELECT user_id, day, mark, created_at, updated_at FROM carried"
    )
    op.execute("DROP TABLE carried")
