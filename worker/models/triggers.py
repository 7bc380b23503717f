"""Triggers that mark what a correction makes stale, no matter who corrects: zik, an API with these models, or psql.

The recorder marks the days of the plays that it adds, because it knows them best. Triggers mark the other inputs of
statistics: a play that is changed or deleted (`worker.models.play_triggers`), a song's duration or names, what a user
leaves out (`worker.models.left_out_triggers`), a user's timezone, and a user who is deleted and leaves rollups and
charts. A play that is saved with `PlayHistory` marks its day itself. Two things are missed: TRUNCATE, and a play that
is inserted in SQL by others than the recorder. `zik recompute` finds both.

A song whose artist is corrected loses its `artist_identity`, unless the same UPDATE sets it. SQL cannot compute it from
the new name; `worker.statistics.rollups.filing` does, as it files all songs that are renamed, that lose the song they
were merged into, or whose tracks are corrected.

Every mark is new. If two changes shared one, a computation that has seen only the first change could clear it.
"""

from typing import Any, Final

from sqlalchemy import Connection, event

from worker.models import left_out_triggers, play_triggers
from worker.models.base import Base
from worker.models.play_triggers import NEW_MARK

# After the DELETE, which may take both of two twins: PostgreSQL refuses to delete a row that the same statement has
# changed.
_SONG_LEAVES: Final = """
        UPDATE songs SET merged_into_id = nullif(merged_into_id, OLD.id), counts_as_id = nullif(counts_as_id, OLD.id),
                         is_filed = false
         WHERE merged_into_id = OLD.id OR counts_as_id = OLD.id;
        DELETE FROM merges
         WHERE subject = 'song' AND (identity = OLD.twin_identity OR into_identity = OLD.twin_identity)
           AND NOT EXISTS (SELECT 1 FROM songs WHERE twin_identity = OLD.twin_identity);"""

_POSTGRESQL: Final = (
    *play_triggers.POSTGRESQL,
    *left_out_triggers.POSTGRESQL,
    """
    CREATE OR REPLACE FUNCTION zik_song_corrected() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO stale_histories (mark, song_id, charts_only)
        VALUES (gen_random_uuid(), NEW.id,
                (NEW.duration_set_ms, NEW.counts_as_id, NEW.legacy_track_id, NEW.legacy_duration_ms)
                IS NOT DISTINCT FROM
                (OLD.duration_set_ms, OLD.counts_as_id, OLD.legacy_track_id, OLD.legacy_duration_ms));
        RETURN NULL;
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION zik_song_renamed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.artist <> OLD.artist THEN
            NEW.artist_identity := nullif(NEW.artist_identity, OLD.artist_identity);
        END IF;
        NEW.is_filed := false;
        RETURN NEW;
    END $$
    """,
    f"""
    CREATE OR REPLACE FUNCTION zik_song_leaves() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN{_SONG_LEAVES}
        RETURN OLD;
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION zik_track_corrected() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO stale_histories (mark, song_id, charts_only) VALUES (gen_random_uuid(), NEW.song_id, true);
        IF (OLD.album, OLD.album_artist, OLD.artists) IS DISTINCT FROM (NEW.album, NEW.album_artist, NEW.artists) THEN
            UPDATE songs SET is_filed = false WHERE id = NEW.song_id;
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION zik_timezone_corrected() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO stale_histories (mark, user_id)
        SELECT gen_random_uuid(), id FROM app_users WHERE id IN (OLD.user_id, NEW.user_id);
        RETURN NULL;
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION zik_user_leaves() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO stale_charts (day, mark)
        SELECT day, gen_random_uuid() FROM (SELECT DISTINCT day FROM song_days WHERE user_id = OLD.id) AS listened;
        DELETE FROM song_days WHERE user_id = OLD.id;
        DELETE FROM listening_hours WHERE user_id = OLD.id;
        DELETE FROM stale_days WHERE user_id = OLD.id;
        DELETE FROM summed_stretches WHERE user_id = OLD.id;
        DELETE FROM subject_sums WHERE user_id = OLD.id;
        DELETE FROM day_sums WHERE user_id = OLD.id;
        RETURN OLD;
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER zik_song_corrected AFTER UPDATE ON songs FOR EACH ROW
      WHEN ((OLD.title, OLD.artist, OLD.artist_identity, OLD.duration_set_ms, OLD.counts_as_id, OLD.legacy_track_id,
             OLD.legacy_duration_ms)
            IS DISTINCT FROM
            (NEW.title, NEW.artist, NEW.artist_identity, NEW.duration_set_ms, NEW.counts_as_id, NEW.legacy_track_id,
             NEW.legacy_duration_ms))
    EXECUTE FUNCTION zik_song_corrected()
    """,
    """
    CREATE OR REPLACE TRIGGER zik_song_renamed BEFORE UPDATE ON songs FOR EACH ROW
      WHEN (OLD.artist <> NEW.artist OR OLD.title <> NEW.title
            OR (OLD.merged_into_id IS NOT NULL AND NEW.merged_into_id IS NULL))
    EXECUTE FUNCTION zik_song_renamed()
    """,
    """
    CREATE OR REPLACE TRIGGER zik_song_leaves AFTER DELETE ON songs
       FOR EACH ROW EXECUTE FUNCTION zik_song_leaves()
    """,
    """
    CREATE OR REPLACE TRIGGER zik_track_corrected AFTER UPDATE ON tracks FOR EACH ROW
      WHEN ((OLD.album, OLD.album_artist, OLD.artists, OLD.album_identity)
            IS DISTINCT FROM (NEW.album, NEW.album_artist, NEW.artists, NEW.album_identity))
    EXECUTE FUNCTION zik_track_corrected()
    """,
    """
    CREATE OR REPLACE TRIGGER zik_timezone_said AFTER INSERT ON preferences
       FOR EACH ROW WHEN (NEW.key = 'timezone') EXECUTE FUNCTION zik_timezone_corrected()
    """,
    """
    CREATE OR REPLACE TRIGGER zik_timezone_changed AFTER UPDATE ON preferences
       FOR EACH ROW WHEN ('timezone' IN (OLD.key, NEW.key)) EXECUTE FUNCTION zik_timezone_corrected()
    """,
    """
    CREATE OR REPLACE TRIGGER zik_timezone_unsaid AFTER DELETE ON preferences
       FOR EACH ROW WHEN (OLD.key = 'timezone') EXECUTE FUNCTION zik_timezone_corrected()
    """,
    """
    CREATE OR REPLACE TRIGGER zik_user_leaves BEFORE DELETE ON app_users
       FOR EACH ROW EXECUTE FUNCTION zik_user_leaves()
    """,
)
_POSTGRESQL_FUNCTIONS: Final = (
    *left_out_triggers.POSTGRESQL_FUNCTIONS,
    "zik_user_leaves()",
    "zik_timezone_corrected()",
    "zik_song_leaves()",
    "zik_track_corrected()",
    "zik_song_renamed()",
    "zik_song_corrected()",
    *play_triggers.POSTGRESQL_FUNCTIONS,
)


def _history_marked(row: str) -> str:
    return f"INSERT INTO stale_histories (mark, user_id) SELECT {NEW_MARK}, id FROM app_users WHERE id = {row}.user_id;"


_SQLITE: Final = (
    *play_triggers.SQLITE,
    *left_out_triggers.SQLITE,
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_song_corrected AFTER UPDATE ON songs
      WHEN (OLD.title, OLD.artist, OLD.artist_identity, OLD.duration_set_ms, OLD.counts_as_id, OLD.legacy_track_id,
            OLD.legacy_duration_ms)
           IS NOT (NEW.title, NEW.artist, NEW.artist_identity, NEW.duration_set_ms, NEW.counts_as_id,
                   NEW.legacy_track_id, NEW.legacy_duration_ms)
    BEGIN
        INSERT INTO stale_histories (mark, song_id, charts_only)
        VALUES ({NEW_MARK}, NEW.id,
                (NEW.duration_set_ms, NEW.counts_as_id, NEW.legacy_track_id, NEW.legacy_duration_ms)
                IS (OLD.duration_set_ms, OLD.counts_as_id, OLD.legacy_track_id, OLD.legacy_duration_ms));
    END
    """,
    # SQLite's BEFORE triggers cannot change the row, so this is a second write and a second mark. Only corrections pay.
    """
    CREATE TRIGGER IF NOT EXISTS zik_song_renamed AFTER UPDATE ON songs
      WHEN OLD.artist <> NEW.artist OR OLD.title <> NEW.title
           OR (OLD.merged_into_id IS NOT NULL AND NEW.merged_into_id IS NULL)
    BEGIN
        UPDATE songs
           SET is_filed = false,
               artist_identity = CASE WHEN NEW.artist = OLD.artist THEN NEW.artist_identity
                                      ELSE nullif(NEW.artist_identity, OLD.artist_identity) END
         WHERE id = NEW.id;
    END
    """,
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_song_leaves AFTER DELETE ON songs
    BEGIN{_SONG_LEAVES}
    END
    """,
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_track_corrected AFTER UPDATE ON tracks
      WHEN (OLD.album, OLD.album_artist, OLD.artists, OLD.album_identity)
           IS NOT (NEW.album, NEW.album_artist, NEW.artists, NEW.album_identity)
    BEGIN
        INSERT INTO stale_histories (mark, song_id, charts_only) VALUES ({NEW_MARK}, NEW.song_id, true);
        UPDATE songs SET is_filed = false
         WHERE id = NEW.song_id AND (OLD.album, OLD.album_artist, OLD.artists)
                                    IS NOT (NEW.album, NEW.album_artist, NEW.artists);
    END
    """,
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_timezone_said AFTER INSERT ON preferences WHEN NEW.key = 'timezone'
    BEGIN {_history_marked("NEW")} END
    """,
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_timezone_changed AFTER UPDATE ON preferences
      WHEN 'timezone' IN (OLD.key, NEW.key)
    BEGIN {_history_marked("OLD")} {_history_marked("NEW")} END
    """,
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_timezone_unsaid AFTER DELETE ON preferences WHEN OLD.key = 'timezone'
    BEGIN {_history_marked("OLD")} END
    """,
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_user_leaves BEFORE DELETE ON app_users
    BEGIN
        INSERT INTO stale_charts (day, mark)
        SELECT day, {NEW_MARK} FROM (SELECT DISTINCT day FROM song_days WHERE user_id = OLD.id);
        DELETE FROM song_days WHERE user_id = OLD.id;
        DELETE FROM listening_hours WHERE user_id = OLD.id;
        DELETE FROM stale_days WHERE user_id = OLD.id;
        DELETE FROM summed_stretches WHERE user_id = OLD.id;
        DELETE FROM subject_sums WHERE user_id = OLD.id;
        DELETE FROM day_sums WHERE user_id = OLD.id;
    END
    """,
)


@event.listens_for(Base.metadata, "after_create")
def _create(target: Any, connection: Connection, **_: Any) -> None:
    del target
    for statement in _POSTGRESQL if connection.dialect.name == "postgresql" else _SQLITE:
        connection.exec_driver_sql(statement)


@event.listens_for(Base.metadata, "after_drop")
def _drop(target: Any, connection: Connection, **_: Any) -> None:
    del target
    # Triggers were dropped with their tables. PostgreSQL's functions were not.
    if connection.dialect.name == "postgresql":
        for function in _POSTGRESQL_FUNCTIONS:
            connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS {function}")
