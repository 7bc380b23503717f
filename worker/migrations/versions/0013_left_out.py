"""What users leave out of their statistics, and whom the artist of an album counts as.

Only adds: a table, a column that is null for most tracks, and triggers.

Revision: 0013.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

KEY: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT: Final = sa.DateTime(timezone=True)

# Copies of `worker.models.left_out_triggers` as it was when this migration was written. Do not change them.
_POSTGRESQL: Final = (
    """
    CREATE OR REPLACE FUNCTION zik_left_out_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO stale_histories (mark, user_id)
        SELECT gen_random_uuid(), id FROM app_users WHERE id IN (OLD.user_id, NEW.user_id);
        RETURN NULL;
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION zik_merge_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        LOCK TABLE left_out IN SHARE MODE;
        INSERT INTO stale_histories (mark, user_id)
        SELECT gen_random_uuid(), user_id
          FROM (SELECT DISTINCT user_id FROM left_out
                 WHERE (subject, identity) IN ((OLD.subject, OLD.identity), (NEW.subject, NEW.identity))) AS leaving;
        RETURN NULL;
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION zik_song_refiled() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        LOCK TABLE left_out IN SHARE MODE;
        IF EXISTS (SELECT FROM left_out) THEN
            INSERT INTO stale_histories (mark, song_id)
            SELECT gen_random_uuid(), id FROM songs WHERE id = NEW.id OR counts_as_id = NEW.id;
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER zik_left_out_changed AFTER INSERT OR UPDATE OR DELETE ON left_out
       FOR EACH ROW EXECUTE FUNCTION zik_left_out_changed()
    """,
    """
    CREATE OR REPLACE TRIGGER zik_merge_changed AFTER INSERT OR UPDATE OR DELETE ON merges
       FOR EACH ROW EXECUTE FUNCTION zik_merge_changed()
    """,
    """
    CREATE OR REPLACE TRIGGER zik_song_refiled AFTER UPDATE ON songs FOR EACH ROW
      WHEN ((OLD.artist_identity, OLD.twin_identity) IS DISTINCT FROM (NEW.artist_identity, NEW.twin_identity))
    EXECUTE FUNCTION zik_song_refiled()
    """,
)
_SQLITE: Final = (
    """
    CREATE TRIGGER IF NOT EXISTS zik_left_out_insert AFTER INSERT ON left_out
    BEGIN INSERT INTO stale_histories (mark, user_id) SELECT lower(hex(randomblob(16))), id FROM app_users WHERE id = NEW.user_id; END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS zik_left_out_update AFTER UPDATE ON left_out
    BEGIN INSERT INTO stale_histories (mark, user_id) SELECT lower(hex(randomblob(16))), id FROM app_users WHERE id = OLD.user_id; INSERT INTO stale_histories (mark, user_id) SELECT lower(hex(randomblob(16))), id FROM app_users WHERE id = NEW.user_id; END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS zik_left_out_delete AFTER DELETE ON left_out
    BEGIN INSERT INTO stale_histories (mark, user_id) SELECT lower(hex(randomblob(16))), id FROM app_users WHERE id = OLD.user_id; END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS zik_merge_insert AFTER INSERT ON merges
    BEGIN INSERT INTO stale_histories (mark, user_id)
        SELECT lower(hex(randomblob(16))), user_id FROM left_out WHERE subject = NEW.subject AND identity = NEW.identity; END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS zik_merge_update AFTER UPDATE ON merges
    BEGIN INSERT INTO stale_histories (mark, user_id)
        SELECT lower(hex(randomblob(16))), user_id FROM left_out WHERE subject = OLD.subject AND identity = OLD.identity; INSERT INTO stale_histories (mark, user_id)
        SELECT lower(hex(randomblob(16))), user_id FROM left_out WHERE subject = NEW.subject AND identity = NEW.identity; END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS zik_merge_delete AFTER DELETE ON merges
    BEGIN INSERT INTO stale_histories (mark, user_id)
        SELECT lower(hex(randomblob(16))), user_id FROM left_out WHERE subject = OLD.subject AND identity = OLD.identity; END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS zik_song_refiled AFTER UPDATE ON songs
      WHEN (OLD.artist_identity, OLD.twin_identity) IS NOT (NEW.artist_identity, NEW.twin_identity)
           AND EXISTS (SELECT 1 FROM left_out)
    BEGIN
        INSERT INTO stale_histories (mark, song_id)
        SELECT lower(hex(randomblob(16))), id FROM songs WHERE id = NEW.id OR counts_as_id = NEW.id;
    END
    """,
)
_POSTGRESQL_BEFORE: Final = (
    "DROP TRIGGER zik_song_refiled ON songs",
    "DROP TRIGGER zik_merge_changed ON merges",
    "DROP TRIGGER zik_left_out_changed ON left_out",
    "DROP FUNCTION zik_song_refiled()",
    "DROP FUNCTION zik_merge_changed()",
    "DROP FUNCTION zik_left_out_changed()",
)
_SQLITE_BEFORE: Final = (
    "DROP TRIGGER zik_song_refiled",
    *(f"DROP TRIGGER zik_merge_{change}" for change in ("insert", "update", "delete")),
)


def upgrade() -> None:
    _lock()
    op.add_column("tracks", sa.Column("merged_artist_identity", sa.Uuid(), nullable=True))
    op.create_table(
        "left_out",
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("subject", sa.String(length=8), nullable=False),
        sa.Column("identity", sa.Uuid(), nullable=False),
        sa.Column("artist", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("created_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_users.id"], name="fk_left_out_user_id_app_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "subject", "identity", name="pk_left_out"),
    )
    _run(_POSTGRESQL, _SQLITE)


def downgrade() -> None:
    """What was left out counts again: the histories of those who left it out are marked."""
    _lock()
    mark = "gen_random_uuid()" if _is_postgresql() else "lower(hex(randomblob(16)))"
    op.execute(
        "INSERT INTO stale_histories (mark, user_id) "
        f"SELECT {mark}, user_id FROM (SELECT DISTINCT user_id FROM left_out) AS leaving"
    )
    _run(_POSTGRESQL_BEFORE, _SQLITE_BEFORE)
    op.drop_table("left_out")
    op.drop_column("tracks", "merged_artist_identity")


def _is_postgresql() -> bool:
    return op.get_context().dialect.name == "postgresql"


def _lock() -> None:
    """In the order in which recorders lock the tables."""
    if _is_postgresql():
        op.execute("LOCK TABLE app_users, songs IN SHARE ROW EXCLUSIVE MODE")
        op.execute("LOCK TABLE tracks IN ACCESS EXCLUSIVE MODE")


def _run(postgresql: tuple[str, ...], sqlite: tuple[str, ...]) -> None:
    for statement in postgresql if _is_postgresql() else sqlite:
        op.execute(statement)
