"""Triggers of `play_history`: mark the days of a changed play, keep a deleted one, and keep it from coming back.

A deleted play is kept in `corrected_plays`, whoever deletes it, unless it goes together with its user or its song.
`zik_play_returns` takes away a play that was deleted or edited, whoever inserts it: a worker of the previous release,
or one that looked just before the correction. Recorders of this release look first, for the books.
"""

from typing import Final

_KEPT: Final = "song_id, track_id, played_at, reported_at, ms_played, duration_ms, utc_offset_minutes, source, context"
_OLD: Final = ", ".join(f"OLD.{name}" for name in _KEPT.split(", "))
_KEEP: Final = f"""
            INSERT INTO corrected_plays (user_id, id, number, is_deletion, {_KEPT}, recorded_at)
            SELECT OLD.user_id, OLD.id, 1 + (SELECT coalesce(max(number), 0) FROM corrected_plays
                                              WHERE user_id = OLD.user_id AND id = OLD.id),
                   true, {_OLD}, OLD.created_at
             WHERE EXISTS (SELECT 1 FROM app_users WHERE id = OLD.user_id)
               AND EXISTS (SELECT 1 FROM songs WHERE id = OLD.song_id)
"""

# A local day is at most one day away from the UTC day.
POSTGRESQL: Final = (
    """
    CREATE OR REPLACE FUNCTION zik_mark_days(whose bigint, played_at timestamptz) RETURNS void LANGUAGE sql AS $$
        INSERT INTO stale_days (user_id, day, mark)
        SELECT whose, CAST(played_at AT TIME ZONE 'UTC' AS date) + shift, gen_random_uuid()
          FROM generate_series(-1, 1) AS shift
         WHERE EXISTS (SELECT FROM app_users WHERE id = whose)
    $$
    """,
    # A deeper trigger is `zik_play_returns`.
    f"""
    CREATE OR REPLACE FUNCTION zik_play_corrected() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM zik_mark_days(OLD.user_id, OLD.played_at);
        IF TG_OP = 'UPDATE' THEN
            PERFORM zik_mark_days(NEW.user_id, NEW.played_at);
        ELSIF pg_trigger_depth() = 1 THEN {_KEEP};
        END IF;
        RETURN NULL;
    END $$
    """,
    # For a statement and not for a row: a trigger for each row would cost COPY a tenth of its speed.
    """
    CREATE OR REPLACE FUNCTION zik_play_returns() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE returned record;
    BEGIN
        IF EXISTS (SELECT FROM corrected_plays) THEN
            -- OFFSET 0 and one DELETE for each: PostgreSQL would sooner read all corrections, and all plays.
            FOR returned IN
                SELECT play.id, play.user_id FROM inserted AS play
                 WHERE EXISTS (
                    SELECT FROM corrected_plays AS known
                     WHERE known.song_id = play.song_id AND known.user_id = play.user_id
                       AND ((known.id <> play.id AND known.played_at = play.played_at)
                            OR (known.id = play.id AND EXISTS (
                                SELECT FROM corrected_plays AS deleted
                                 WHERE deleted.user_id = play.user_id AND deleted.id = play.id
                                   AND deleted.is_deletion)))
                    OFFSET 0)
            LOOP
                DELETE FROM play_history WHERE id = returned.id AND user_id = returned.user_id;
            END LOOP;
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER zik_play_corrected AFTER UPDATE OR DELETE ON play_history
       FOR EACH ROW EXECUTE FUNCTION zik_play_corrected()
    """,
    """
    CREATE OR REPLACE TRIGGER zik_play_returns AFTER INSERT ON play_history REFERENCING NEW TABLE AS inserted
       FOR EACH STATEMENT EXECUTE FUNCTION zik_play_returns()
    """,
)
POSTGRESQL_FUNCTIONS: Final = ("zik_play_returns()", "zik_play_corrected()", "zik_mark_days(bigint, timestamptz)")

NEW_MARK: Final = "lower(hex(randomblob(16)))"


def _days_marked(row: str) -> str:
    return f"""
        INSERT INTO stale_days (user_id, day, mark)
        SELECT {row}.user_id, date(substr({row}.played_at, 1, 19), shift || ' days'), {NEW_MARK}
          FROM (SELECT -1 AS shift UNION SELECT 0 UNION SELECT 1)
         WHERE EXISTS (SELECT 1 FROM app_users WHERE id = {row}.user_id);
    """


SQLITE: Final = (
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_play_deleted AFTER DELETE ON play_history
    BEGIN {_days_marked("OLD")} {_KEEP};
    END
    """,
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_play_changed AFTER UPDATE ON play_history
    BEGIN {_days_marked("OLD")} {_days_marked("NEW")} END
    """,
    # Skips the row, as ON CONFLICT DO NOTHING does.
    """
    CREATE TRIGGER IF NOT EXISTS zik_play_returns BEFORE INSERT ON play_history
      WHEN EXISTS (
        SELECT 1 FROM corrected_plays AS known
         WHERE known.song_id = NEW.song_id AND known.user_id = NEW.user_id
           AND ((known.id <> NEW.id AND known.played_at = NEW.played_at)
                OR (known.id = NEW.id AND EXISTS (
                    SELECT 1 FROM corrected_plays AS deleted
                     WHERE deleted.user_id = NEW.user_id AND deleted.id = NEW.id AND deleted.is_deletion))))
    BEGIN SELECT raise(IGNORE); END
    """,
)
