"""Triggers of what users leave out of their statistics: mark their histories when that, or what it means, changes.

It means something else after a merge or a split, and where a song gets another artist. Who changes that locks the table
against writing first. Otherwise neither transaction would see the other, and no mark would be made after both.
"""

from typing import Final

from worker.models.play_triggers import NEW_MARK

_LOCK: Final = "LOCK TABLE left_out IN SHARE MODE;"

POSTGRESQL: Final = (
    """
    CREATE OR REPLACE FUNCTION zik_left_out_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO stale_histories (mark, user_id)
        SELECT gen_random_uuid(), id FROM app_users WHERE id IN (OLD.user_id, NEW.user_id);
        RETURN NULL;
    END $$
    """,
    f"""
    CREATE OR REPLACE FUNCTION zik_merge_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        {_LOCK}
        INSERT INTO stale_histories (mark, user_id)
        SELECT gen_random_uuid(), user_id
          FROM (SELECT DISTINCT user_id FROM left_out
                 WHERE (subject, identity) IN ((OLD.subject, OLD.identity), (NEW.subject, NEW.identity))) AS leaving;
        RETURN NULL;
    END $$
    """,
    f"""
    CREATE OR REPLACE FUNCTION zik_song_refiled() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        {_LOCK}
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
POSTGRESQL_FUNCTIONS: Final = ("zik_song_refiled()", "zik_merge_changed()", "zik_left_out_changed()")


def _of_user(row: str) -> str:
    return f"INSERT INTO stale_histories (mark, user_id) SELECT {NEW_MARK}, id FROM app_users WHERE id = {row}.user_id;"


def _of_merge(row: str) -> str:
    return f"""INSERT INTO stale_histories (mark, user_id)
        SELECT {NEW_MARK}, user_id FROM left_out WHERE subject = {row}.subject AND identity = {row}.identity;"""


_CHANGES: Final = {"INSERT": ("NEW",), "UPDATE": ("OLD", "NEW"), "DELETE": ("OLD",)}

SQLITE: Final = (
    *(
        f"""
    CREATE TRIGGER IF NOT EXISTS zik_left_out_{change.lower()} AFTER {change} ON left_out
    BEGIN {" ".join(map(_of_user, rows))} END
    """
        for change, rows in _CHANGES.items()
    ),
    *(
        f"""
    CREATE TRIGGER IF NOT EXISTS zik_merge_{change.lower()} AFTER {change} ON merges
    BEGIN {" ".join(map(_of_merge, rows))} END
    """
        for change, rows in _CHANGES.items()
    ),
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_song_refiled AFTER UPDATE ON songs
      WHEN (OLD.artist_identity, OLD.twin_identity) IS NOT (NEW.artist_identity, NEW.twin_identity)
           AND EXISTS (SELECT 1 FROM left_out)
    BEGIN
        INSERT INTO stale_histories (mark, song_id)
        SELECT {NEW_MARK}, id FROM songs WHERE id = NEW.id OR counts_as_id = NEW.id;
    END
    """,
)
