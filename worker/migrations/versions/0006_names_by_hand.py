"""Names corrected by hand make charts stale, and the song is filed again. Renaming a `timezone` key marks the user.

Changes only triggers. They act on writes of the previous release in the same way.

Revision: 0006.
"""

from typing import Final

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Copies of `worker.models.triggers` as it was when this migration was written, and before. Do not change them.
_POSTGRESQL: Final = (
    """
    CREATE OR REPLACE FUNCTION zik_song_renamed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.artist <> OLD.artist THEN
            NEW.artist_identity := nullif(NEW.artist_identity, OLD.artist_identity);
        END IF;
        NEW.album_identity := nullif(NEW.album_identity, OLD.album_identity);
        RETURN NEW;
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER zik_song_corrected AFTER UPDATE ON songs FOR EACH ROW
      WHEN ((OLD.title, OLD.artist, OLD.album, OLD.duration_ms, OLD.artist_identity, OLD.album_identity)
            IS DISTINCT FROM
            (NEW.title, NEW.artist, NEW.album, NEW.duration_ms, NEW.artist_identity, NEW.album_identity))
    EXECUTE FUNCTION zik_song_corrected()
    """,
    """
    CREATE OR REPLACE TRIGGER zik_song_renamed BEFORE UPDATE ON songs FOR EACH ROW
      WHEN ((OLD.artist <> NEW.artist AND OLD.artist_identity = NEW.artist_identity)
            OR ((OLD.artist, OLD.album) IS DISTINCT FROM (NEW.artist, NEW.album)
                AND OLD.album_identity = NEW.album_identity))
    EXECUTE FUNCTION zik_song_renamed()
    """,
    """
    CREATE OR REPLACE TRIGGER zik_timezone_said AFTER INSERT ON preferences
       FOR EACH ROW WHEN (NEW.key = 'timezone') EXECUTE FUNCTION zik_timezone_corrected()
    """,
    """
    CREATE OR REPLACE TRIGGER zik_timezone_changed AFTER UPDATE ON preferences
       FOR EACH ROW WHEN ('timezone' IN (OLD.key, NEW.key)) EXECUTE FUNCTION zik_timezone_corrected()
    """,
)
_POSTGRESQL_BEFORE: Final = (
    "DROP TRIGGER zik_timezone_changed ON preferences",
    """
    CREATE OR REPLACE TRIGGER zik_timezone_said AFTER INSERT OR UPDATE ON preferences
       FOR EACH ROW WHEN (NEW.key = 'timezone') EXECUTE FUNCTION zik_timezone_corrected()
    """,
    "DROP TRIGGER zik_song_renamed ON songs",
    "DROP FUNCTION zik_song_renamed()",
    """
    CREATE OR REPLACE TRIGGER zik_song_corrected AFTER UPDATE ON songs FOR EACH ROW
      WHEN ((OLD.duration_ms, OLD.artist_identity, OLD.album_identity)
            IS DISTINCT FROM (NEW.duration_ms, NEW.artist_identity, NEW.album_identity))
    EXECUTE FUNCTION zik_song_corrected()
    """,
)
_SQLITE: Final = (
    "DROP TRIGGER zik_song_corrected",
    """
    CREATE TRIGGER IF NOT EXISTS zik_song_corrected AFTER UPDATE ON songs
      WHEN (OLD.title, OLD.artist, OLD.album, OLD.duration_ms, OLD.artist_identity, OLD.album_identity)
           IS NOT (NEW.title, NEW.artist, NEW.album, NEW.duration_ms, NEW.artist_identity, NEW.album_identity)
    BEGIN
        INSERT INTO stale_histories (mark, song_id, charts_only)
        VALUES (lower(hex(randomblob(16))), NEW.id, NEW.duration_ms IS OLD.duration_ms);
    END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS zik_song_renamed AFTER UPDATE ON songs
      WHEN (OLD.artist <> NEW.artist AND OLD.artist_identity = NEW.artist_identity)
           OR ((OLD.artist, OLD.album) IS NOT (NEW.artist, NEW.album) AND OLD.album_identity = NEW.album_identity)
    BEGIN
        UPDATE songs
           SET artist_identity = CASE WHEN NEW.artist = OLD.artist THEN NEW.artist_identity
                                      ELSE nullif(NEW.artist_identity, OLD.artist_identity) END,
               album_identity = nullif(NEW.album_identity, OLD.album_identity)
         WHERE id = NEW.id;
    END
    """,
)
_SQLITE_BEFORE: Final = (
    "DROP TRIGGER zik_song_renamed",
    "DROP TRIGGER zik_song_corrected",
    """
    CREATE TRIGGER IF NOT EXISTS zik_song_corrected AFTER UPDATE ON songs
      WHEN (OLD.duration_ms, OLD.artist_identity, OLD.album_identity)
           IS NOT (NEW.duration_ms, NEW.artist_identity, NEW.album_identity)
    BEGIN
        INSERT INTO stale_histories (mark, song_id, charts_only)
        VALUES (lower(hex(randomblob(16))), NEW.id, NEW.duration_ms IS OLD.duration_ms);
    END
    """,
)


def upgrade() -> None:
    _replace(_POSTGRESQL, _SQLITE, mode="SHARE ROW EXCLUSIVE")


def downgrade() -> None:
    # DROP TRIGGER locks the whole table.
    _replace(_POSTGRESQL_BEFORE, _SQLITE_BEFORE, mode="ACCESS EXCLUSIVE")


def _replace(postgresql: tuple[str, ...], sqlite: tuple[str, ...], *, mode: str) -> None:
    if op.get_context().dialect.name == "postgresql":
        # In the order in which recorders lock them.
        op.execute(f"LOCK TABLE songs, preferences IN {mode} MODE")
        for statement in postgresql:
            op.execute(statement)
    else:
        for statement in sqlite:
            op.execute(statement)
