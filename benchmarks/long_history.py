"""One user with a million plays over twelve years: taste that drifts, albums, guests, seasons, nights without music."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from benchmarks.rounds import console
from benchmarks.servers import Servers
from benchmarks.statistics import ROLLUPS
from worker.database.engine import opened_engine
from worker.statistics import ListenRule
from worker.statistics.rollups.sweep import refresh

LISTENER: Final = "listener"
YEARS: Final = 12
_SONGS: Final = 100_000
_OFFSET: Final = timedelta(hours=1)


def fill(servers: Servers, plays: int) -> None:
    """Let the server write the plays up to now, and each rollup by one statement. A sweep sums the history up."""
    began = time.monotonic()
    rule = ListenRule()
    with servers.postgres() as connection:
        for statement in (*_NAMES, _PLAYS):
            connection.execute(statement, {"songs": _SONGS, "plays": plays, "years": YEARS, "user": LISTENER})
        connection.execute("ANALYZE play_history")
        for rollup in ROLLUPS:
            connection.execute(rollup, rule.as_parameters())
    today_waits(servers, waits=True)
    with opened_engine(servers.database_url) as engine:
        refresh(engine, rule)
    with servers.postgres() as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")
    console.print(f"  {servers.plays():,} plays and their rollups in {time.monotonic() - began:.0f} s", highlight=False)


def today_waits(servers: Servers, *, waits: bool) -> None:
    """Let the local day wait for a sweep, as it does for some seconds after each play, or let no day wait."""
    with servers.postgres() as connection:
        connection.execute("DELETE FROM stale_days")
        if waits:
            mark = "INSERT INTO stale_days (user_id, day, mark) VALUES (1, %s, gen_random_uuid())"
            connection.execute(mark, [(datetime.now(UTC) + _OFFSET).date()])


def most_played(servers: Servers, subject: str) -> tuple[str, str]:
    """The identity and the name of the song, artist or album with most plays."""
    identity, name, joined = _OF[subject]
    with servers.postgres() as connection:
        row: Any = connection.execute(
            f"SELECT replace({identity}::text, '-', ''), {name} FROM play_history JOIN songs ON songs.id = song_id "  # noqa: S608 -- our own words
            f"JOIN tracks ON tracks.id = track_id {joined} GROUP BY 1, 2 ORDER BY count(*) DESC LIMIT 1"
        ).fetchone()
    return str(row[0]), str(row[1])


_OF: Final = {
    "song": ("songs.identity", "title", ""),
    "artist": ("songs.artist_identity", "artist", "WHERE tracks.artists IS NULL"),
    "album": ("tracks.album_identity", "tracks.album", ""),
}
# Names of invented words, so that a beginning finds some of them. Each artist has twenty songs on three albums; one
# song in ten has a guest.
_NAMES: Final = (
    """
    CREATE FUNCTION pg_temp.word(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
        SELECT initcap((ARRAY['ka', 'lo', 'mi', 'ren', 'su', 'ta', 'vor', 'be', 'dun', 'el'])[1 + abs(n) %% 10]
                       || (ARRAY['r', 'ss', 'n', 'l', 'th', 'm', 'v', 'k', 'd', 'sh'])[1 + abs(n) / 10 %% 10]
                       || (ARRAY['a', 'en', 'ow', 'ing', 'er', 'ia', 'um', 'ey', 'o', 'ight'])[1 + abs(n) / 100 %% 10])
    $$
    """,
    "INSERT INTO app_users (id, username) VALUES (1, %(user)s)",
    "SELECT setval(pg_get_serial_sequence('app_users', 'id'), 1)",
    """
    INSERT INTO songs (identity, title, artist, album, duration_ms, artist_identity, is_filed)
    SELECT md5('song ' || n)::uuid, concat_ws(' ', pg_temp.word(hashint4(n)), pg_temp.word(hashint4(n + 7)), n),
           artist, artist || ' ' || n / 20 %% 3, 120000 + n * 7919 %% 240000, md5(lower(artist))::uuid, true
      FROM (SELECT n, pg_temp.word(n / 60) || ' ' || pg_temp.word(hashint4(n / 60)) AS artist
              FROM generate_series(1, %(songs)s) AS n) AS named ORDER BY n
    """,
    """
    INSERT INTO tracks (identity, song_id, album, artists, album_identity)
    SELECT md5('track ' || id)::uuid, id, album,
           CASE WHEN id %% 10 = 0 THEN jsonb_build_array(artist, pg_temp.word(id / 10 %% 700)) END, md5(album)::uuid
      FROM songs ORDER BY id
    """,
    """
    INSERT INTO track_artists (track_id, position, artist_identity, name)
    SELECT id, position, md5(lower(name))::uuid, name
      FROM tracks, jsonb_array_elements_text(artists) WITH ORDINALITY AS named (name, position) ORDER BY id
    """,
    "ANALYZE songs, tracks, track_artists",
)
# A third is what was liked in all years, the rest from twelve thousand songs that change from year to year. Squaring
# makes few songs frequent. More is heard in winter and at weekends, and nothing at night.
_PLAYS: Final = """
    WITH drawn AS (
        SELECT n, random() AS a, random() AS b, random() AS c, random() AS d,
               date_trunc('day', now()) - power(random(), 0.9) * %(years)s * interval '365.25 days' AS at
          FROM generate_series(1, %(plays)s::bigint) AS n
    ), timed AS (
        SELECT n, a, b, d, least(date_trunc('day', at) + (6.5 + 16 * c) * interval '1 hour', now()) AS played_at,
               extract(year FROM at)::integer - extract(year FROM now())::integer + %(years)s AS year
          FROM drawn
    )
    INSERT INTO play_history (id, user_id, song_id, track_id, played_at, ms_played, duration_ms, utc_offset_minutes,
                              source, context)
    SELECT (lpad(to_hex(1600000000000 + n), 12, '0') || '7' || substr(md5(n::text), 1, 3) || 'a'
            || substr(md5(n::text), 4, 15))::uuid,
           1, songs.id, tracks.id, played_at, floor(songs.duration_ms * least(1, 1.4 * d))::int, songs.duration_ms, 60,
           'stored', NULL
      FROM timed
      JOIN songs ON songs.id = 1 + CASE WHEN a < 0.33 THEN floor(3000 * power(b, 2))
                                        ELSE 3000 + 4000 * year + floor(12000 * power(a * 1.49 - 0.49, 2)) END
      JOIN tracks ON tracks.song_id = songs.id
     ORDER BY played_at
    ON CONFLICT DO NOTHING
"""
