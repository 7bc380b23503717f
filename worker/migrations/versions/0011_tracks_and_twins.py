"""Tracks and twins: album, artists and duration stay with the play, and songs may count as another song.

`song_days` and `charts` get another key and are computed again: every user's history is marked. What a release before
0.3 knew of a song's album and duration is kept as the legacy of the song, for plays that have neither.

Workers of the previous release record on. Their sweeps fail at the new keys and change nothing.

Revision: 0011.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
# Built in the bootstrap's transaction: all but one hold no row, and the songs' takes a second for a million songs.
squawk_ignore = ("require-concurrent-index-creation", "require-concurrent-index-deletion", "ban-drop-table")

KEY: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT: Final = sa.DateTime(timezone=True)
JSON: Final = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

# Copies of `worker.models.triggers` and `play_triggers` as they were when this migration was written, and before. Do
# not change them.
_KEPT: Final = "song_id, track_id, played_at, reported_at, ms_played, duration_ms, utc_offset_minutes, source, context"
_KEPT_BEFORE: Final = "song_id, played_at, reported_at, ms_played, utc_offset_minutes, source, context"
_NEW_MARK: Final = "lower(hex(randomblob(16)))"


def _keep(kept: str) -> str:
    old = ", ".join(f"OLD.{name}" for name in kept.split(", "))
    return f"""
            INSERT INTO corrected_plays (user_id, id, number, is_deletion, {kept}, recorded_at)
            SELECT OLD.user_id, OLD.id, 1 + (SELECT coalesce(max(number), 0) FROM corrected_plays
                                              WHERE user_id = OLD.user_id AND id = OLD.id),
                   true, {old}, OLD.created_at
             WHERE EXISTS (SELECT 1 FROM app_users WHERE id = OLD.user_id)
               AND EXISTS (SELECT 1 FROM songs WHERE id = OLD.song_id)
"""


def _play_corrected(kept: str) -> str:
    return f"""
    CREATE OR REPLACE FUNCTION zik_play_corrected() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM zik_mark_days(OLD.user_id, OLD.played_at);
        IF TG_OP = 'UPDATE' THEN
            PERFORM zik_mark_days(NEW.user_id, NEW.played_at);
        ELSIF pg_trigger_depth() = 1 THEN {_keep(kept)};
        END IF;
        RETURN NULL;
    END $$
    """


def _days_marked(row: str) -> str:
    return f"""
        INSERT INTO stale_days (user_id, day, mark)
        SELECT {row}.user_id, date(substr({row}.played_at, 1, 19), shift || ' days'), {_NEW_MARK}
          FROM (SELECT -1 AS shift UNION SELECT 0 UNION SELECT 1)
         WHERE EXISTS (SELECT 1 FROM app_users WHERE id = {row}.user_id);
    """


def _play_deleted(kept: str) -> str:
    return f"""
    CREATE TRIGGER IF NOT EXISTS zik_play_deleted AFTER DELETE ON play_history
    BEGIN {_days_marked("OLD")} {_keep(kept)};
    END
    """


_POSTGRESQL: Final = (
    _play_corrected(_KEPT),
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
    """
    CREATE OR REPLACE FUNCTION zik_song_leaves() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE songs SET merged_into_id = nullif(merged_into_id, OLD.id), counts_as_id = nullif(counts_as_id, OLD.id),
                         is_filed = false
         WHERE merged_into_id = OLD.id OR counts_as_id = OLD.id;
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
    CREATE OR REPLACE TRIGGER zik_song_leaves BEFORE DELETE ON songs
       FOR EACH ROW EXECUTE FUNCTION zik_song_leaves()
    """,
    """
    CREATE OR REPLACE TRIGGER zik_track_corrected AFTER UPDATE ON tracks FOR EACH ROW
      WHEN ((OLD.album, OLD.album_artist, OLD.artists, OLD.album_identity)
            IS DISTINCT FROM (NEW.album, NEW.album_artist, NEW.artists, NEW.album_identity))
    EXECUTE FUNCTION zik_track_corrected()
    """,
)
_POSTGRESQL_BEFORE: Final = (
    _play_corrected(_KEPT_BEFORE),
    "DROP TRIGGER zik_track_corrected ON tracks",
    "DROP FUNCTION zik_track_corrected()",
    "DROP TRIGGER zik_song_leaves ON songs",
    "DROP FUNCTION zik_song_leaves()",
    """
    CREATE OR REPLACE FUNCTION zik_song_corrected() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO stale_histories (mark, song_id, charts_only)
        VALUES (gen_random_uuid(), NEW.id, NEW.duration_ms IS NOT DISTINCT FROM OLD.duration_ms);
        RETURN NULL;
    END $$
    """,
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
)
_SQLITE: Final = (
    "DROP TRIGGER zik_play_deleted",
    _play_deleted(_KEPT),
    "DROP TRIGGER zik_song_renamed",
    "DROP TRIGGER zik_song_corrected",
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_song_corrected AFTER UPDATE ON songs
      WHEN (OLD.title, OLD.artist, OLD.artist_identity, OLD.duration_set_ms, OLD.counts_as_id, OLD.legacy_track_id,
            OLD.legacy_duration_ms)
           IS NOT (NEW.title, NEW.artist, NEW.artist_identity, NEW.duration_set_ms, NEW.counts_as_id,
                   NEW.legacy_track_id, NEW.legacy_duration_ms)
    BEGIN
        INSERT INTO stale_histories (mark, song_id, charts_only)
        VALUES ({_NEW_MARK}, NEW.id,
                (NEW.duration_set_ms, NEW.counts_as_id, NEW.legacy_track_id, NEW.legacy_duration_ms)
                IS (OLD.duration_set_ms, OLD.counts_as_id, OLD.legacy_track_id, OLD.legacy_duration_ms));
    END
    """,
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
    """
    CREATE TRIGGER IF NOT EXISTS zik_song_leaves BEFORE DELETE ON songs
    BEGIN
        UPDATE songs SET merged_into_id = nullif(merged_into_id, OLD.id), counts_as_id = nullif(counts_as_id, OLD.id),
                         is_filed = false
         WHERE merged_into_id = OLD.id OR counts_as_id = OLD.id;
    END
    """,
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_track_corrected AFTER UPDATE ON tracks
      WHEN (OLD.album, OLD.album_artist, OLD.artists, OLD.album_identity)
           IS NOT (NEW.album, NEW.album_artist, NEW.artists, NEW.album_identity)
    BEGIN
        INSERT INTO stale_histories (mark, song_id, charts_only) VALUES ({_NEW_MARK}, NEW.song_id, true);
        UPDATE songs SET is_filed = false
         WHERE id = NEW.song_id AND (OLD.album, OLD.album_artist, OLD.artists)
                                    IS NOT (NEW.album, NEW.album_artist, NEW.artists);
    END
    """,
)
_SQLITE_BEFORE: Final = (
    "DROP TRIGGER zik_play_deleted",
    _play_deleted(_KEPT_BEFORE),
    "DROP TRIGGER zik_song_renamed",
    "DROP TRIGGER zik_song_corrected",
    "DROP TRIGGER zik_track_corrected",
    "DROP TRIGGER zik_song_leaves",
    f"""
    CREATE TRIGGER IF NOT EXISTS zik_song_corrected AFTER UPDATE ON songs
      WHEN (OLD.title, OLD.artist, OLD.album, OLD.duration_ms, OLD.artist_identity, OLD.album_identity)
           IS NOT (NEW.title, NEW.artist, NEW.album, NEW.duration_ms, NEW.artist_identity, NEW.album_identity)
    BEGIN
        INSERT INTO stale_histories (mark, song_id, charts_only)
        VALUES ({_NEW_MARK}, NEW.id, NEW.duration_ms IS OLD.duration_ms);
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

_POINTERS: Final = ("merged_into_id", "counts_as_id")
_UNFILED_BEFORE: Final = sa.text("artist_identity IS NULL OR (album_identity IS NULL AND album IS NOT NULL)")


def _of_songs() -> list[sa.Column[Any]]:
    return [
        sa.Column("duration_set_ms", sa.Integer(), nullable=True),
        sa.Column("twin_identity", sa.Uuid(), nullable=True),
        sa.Column("is_filed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("legacy_track_id", sa.BigInteger(), nullable=True),
        sa.Column("legacy_duration_ms", sa.Integer(), nullable=True),
    ]


def _of_plays() -> list[sa.Column[Any]]:
    return [
        sa.Column("track_id", sa.BigInteger(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
    ]


def upgrade() -> None:
    _lock()
    for column in _of_songs():
        op.add_column("songs", column)
    for name in _POINTERS:
        op.add_column("songs", sa.Column(name, sa.BigInteger(), nullable=True))
        op.create_index(f"ix_songs_{name}", "songs", [name], **_where(f"{name} IS NOT NULL"))
    for table in ("play_history", "corrected_plays"):
        for column in _of_plays():
            op.add_column(table, column)
    op.create_index("ix_songs_twin_identity", "songs", ["twin_identity"])
    op.create_index("ix_songs_artist_identity", "songs", ["artist_identity"])
    op.drop_index("ix_songs_unfiled", table_name="songs")
    op.create_index("ix_songs_unfiled", "songs", ["id"], **_where("NOT is_filed"))
    _create_tracks()
    # Before the triggers: they would mark each song.
    _keep_legacy()
    for statement in _POSTGRESQL if _is_postgresql() else _SQLITE:
        op.execute(statement)
    op.drop_table("song_days")
    op.drop_table("charts")
    _create_song_days([sa.Column("track_id", sa.BigInteger(), nullable=False)])
    op.create_index("ix_song_days_by_song", "song_days", ["user_id", "song_id", "track_id", "day", "plays", "listens", "ms_played"])
    _create_charts([sa.Column("identity", sa.Uuid(), nullable=False)])
    _mark_all()


def downgrade() -> None:
    """Merged songs count apart again, and plays for the album and duration of their song."""
    _lock()
    op.drop_table("charts")
    op.drop_table("song_days")
    _create_song_days([])
    op.create_index("ix_song_days_by_song", "song_days", ["user_id", "song_id", "day", "plays", "listens", "ms_played"])
    _create_charts([])
    for statement in _POSTGRESQL_BEFORE if _is_postgresql() else _SQLITE_BEFORE:
        op.execute(statement)
    op.drop_index("ix_songs_unfiled", table_name="songs")
    op.create_index("ix_songs_unfiled", "songs", ["id"], **_where(str(_UNFILED_BEFORE)))
    op.drop_table("track_artists")
    op.drop_table("tracks")
    op.drop_index("ix_songs_twin_identity", table_name="songs")
    op.drop_index("ix_songs_artist_identity", table_name="songs")
    for name in _POINTERS:
        op.drop_index(f"ix_songs_{name}", table_name="songs")
        op.drop_column("songs", name)
    for column in _of_songs():
        op.drop_column("songs", column.name)
    for table in ("play_history", "corrected_plays"):
        for column in _of_plays():
            op.drop_column(table, column.name)
    _mark_all()


def _is_postgresql() -> bool:
    return op.get_context().dialect.name == "postgresql"


def _where(condition: str) -> dict[str, Any]:
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def _lock() -> None:
    """In the order in which recorders lock the tables."""
    if _is_postgresql():
        op.execute(
            "LOCK TABLE app_users, songs, play_history, corrected_plays, stale_histories, song_days, charts "
            "IN ACCESS EXCLUSIVE MODE"
        )


def _timestamps() -> Sequence[sa.Column[datetime]]:
    return [
        sa.Column(name, INSTANT, server_default=sa.func.now(), nullable=False) for name in ("created_at", "updated_at")
    ]


def _create_tracks() -> None:
    op.create_table(
        "tracks",
        sa.Column("id", KEY, nullable=False),
        sa.Column("identity", sa.Uuid(), nullable=False),
        sa.Column("song_id", KEY, nullable=False),
        sa.Column("album", sa.String(length=500), nullable=True),
        sa.Column("album_artist", sa.Text(), nullable=True),
        sa.Column("artists", JSON, nullable=True),
        sa.Column("album_identity", sa.Uuid(), nullable=True),
        *_timestamps(),
        sa.ForeignKeyConstraint(["song_id"], ["songs.id"], name="fk_tracks_song_id_songs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_tracks"),
        sa.UniqueConstraint("identity", name="uq_tracks_identity"),
    )
    op.create_table(
        "track_artists",
        sa.Column("track_id", KEY, nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("artist_identity", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        *_timestamps(),
        sa.ForeignKeyConstraint(["track_id"], ["tracks.id"], name="fk_track_artists_track_id_tracks", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("track_id", "position", name="pk_track_artists"),
    )
    for table, column in (("tracks", "song_id"), ("tracks", "album_identity"), ("track_artists", "artist_identity")):
        op.create_index(f"ix_{table}_{column}", table, [column])


def _keep_legacy() -> None:
    """Make a track of each song that has an album, for the plays recorded so far."""
    identity = "gen_random_uuid()" if _is_postgresql() else "lower(hex(randomblob(16)))"
    op.execute(
        "INSERT INTO tracks (identity, song_id, album, album_identity) "
        f"SELECT {identity}, id, album, album_identity FROM songs WHERE album IS NOT NULL"
    )
    op.execute("UPDATE songs SET legacy_duration_ms = duration_ms WHERE duration_ms IS NOT NULL AND album IS NULL")
    op.execute(
        "UPDATE songs SET legacy_track_id = tracks.id, legacy_duration_ms = songs.duration_ms "
        "FROM tracks WHERE tracks.song_id = songs.id"
    )


def _create_song_days(track: Sequence[sa.Column[int]]) -> None:
    op.create_table(
        "song_days",
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("song_id", KEY, nullable=False),
        *track,
        sa.Column("plays", sa.Integer(), nullable=False),
        sa.Column("listens", sa.Integer(), nullable=False),
        sa.Column("ms_played", sa.BigInteger(), nullable=False),
        *_timestamps(),
        sa.PrimaryKeyConstraint("user_id", "day", "song_id", *(column.name for column in track), name="pk_song_days"),
    )
    op.create_index("ix_song_days_day", "song_days", ["day"])


def _create_charts(identity: Sequence[sa.Column[Any]]) -> None:
    op.create_table(
        "charts",
        sa.Column("subject", sa.String(length=8), nullable=False),
        sa.Column("period", sa.String(length=8), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        *identity,
        sa.Column("artist", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("plays", sa.BigInteger(), nullable=False),
        sa.Column("listens", sa.BigInteger(), nullable=False),
        sa.Column("ms_played", sa.BigInteger(), nullable=False),
        sa.Column("listeners", sa.Integer(), nullable=False),
        *_timestamps(),
        sa.PrimaryKeyConstraint("subject", "period", "starts_on", "place", name="pk_charts"),
    )


def _mark_all() -> None:
    """All rollups have to be computed again. Sweeps do it; until then answers read the plays."""
    mark = "gen_random_uuid()" if _is_postgresql() else "lower(hex(randomblob(16)))"
    op.execute(f"INSERT INTO stale_histories (mark, user_id) SELECT {mark}, id FROM app_users")
