-- The statistics statements of SQLite, each as it runs. postgresql.sql has the same statements for PostgreSQL, and
-- describes the format of both files.

-- fragment: is_listen
-- Whether a play counts as a listen, over `play` and `song`. worker/statistics/listen_rule.py describes the rule.
-- bigint, because hours in milliseconds times a hundred exceed an integer.
CASE WHEN play.ms_played IS NULL THEN true
     WHEN song.duration_ms IS NULL THEN play.ms_played >= 1000 * :unknown_s
     ELSE CAST(100 AS bigint) * play.ms_played >= CAST(:percent AS bigint) * song.duration_ms
          OR play.ms_played >= 1000 * :enough_s
END

-- fragment: local_time
-- The listener's local time as arguments of a date function, over `play` and `incoming`. Whole seconds, because SQLite
-- counts in milliseconds and would round the last microseconds of a day into the next day.
substr(play.played_at, 1, 19), coalesce(play.utc_offset_minutes, incoming.offset_minutes, 0) || ' minutes'

-- fragment: local_day
date({local_time})

-- fragment: local_hour
CAST(strftime('%H', {local_time}) AS integer)

-- fragment: possible_day
-- A day that may be the local day of `play`. Without an offset it is any day from the one before to the one after.
date(substr(play.played_at, 1, 19), coalesce(play.utc_offset_minutes, 0) || ' minutes', shift || ' days')

-- fragment: shifts
(SELECT -1 AS shift UNION SELECT 0 UNION SELECT 1) AS shifts ON shift = 0 OR play.utc_offset_minutes IS NULL

-- fragment: windows
-- Users and days in a row, with the time in which the plays of these days can lie. From `local_time.windows`.
(
    SELECT value ->> '$.user_id' AS user_id, value ->> '$.first_day' AS first_day,
           value ->> '$.last_day' AS last_day, value ->> '$.starts_at' AS starts_at,
           value ->> '$.ends_at' AS ends_at, value ->> '$.offset_minutes' AS offset_minutes
      FROM json_each(:rows)) AS incoming

-- fragment: plays_of_windows
-- SQLite looks the plays up, one window after the other.
JOIN play_history AS play
  ON play.user_id = incoming.user_id AND play.played_at >= incoming.starts_at AND play.played_at < incoming.ends_at


-- name: compute_days
-- Replace the rollups of whole days by what the plays say.
-- SQLite cannot write inside a WITH, and finding out which rows differ would take more looks at the plays. So this
-- deletes all rows of the days, and inserts them again.
DELETE FROM listening_hours WHERE (user_id, day) IN (
    SELECT user_id, day FROM {windows} JOIN listening_hours USING (user_id) WHERE day BETWEEN first_day AND last_day);
DELETE FROM song_days WHERE (user_id, day) IN (
    SELECT user_id, day FROM {windows} JOIN song_days USING (user_id) WHERE day BETWEEN first_day AND last_day);
WITH counted AS (
    -- A window is wider than its days, so check the day too.
    SELECT play.user_id, {local_day} AS day, {local_hour} AS hour, play.song_id, play.ms_played,
           {is_listen} AS is_listen
      FROM {windows}
      {plays_of_windows}
      JOIN songs AS song ON song.id = play.song_id AND {local_day} BETWEEN incoming.first_day AND incoming.last_day
)
INSERT INTO listening_hours (user_id, day, hour, plays, listens, ms_played)
SELECT user_id, day, hour, CAST(count(*) AS integer) AS plays,
       CAST(count(*) FILTER (WHERE is_listen) AS integer) AS listens, coalesce(sum(ms_played), 0) AS ms_played
  FROM counted GROUP BY user_id, day, hour;
WITH counted AS (
    -- A window is wider than its days, so check the day too.
    SELECT play.user_id, {local_day} AS day, {local_hour} AS hour, play.song_id, play.ms_played,
           {is_listen} AS is_listen
      FROM {windows}
      {plays_of_windows}
      JOIN songs AS song ON song.id = play.song_id AND {local_day} BETWEEN incoming.first_day AND incoming.last_day
)
INSERT INTO song_days (user_id, day, song_id, plays, listens, ms_played)
SELECT user_id, day, song_id, CAST(count(*) AS integer) AS plays,
       CAST(count(*) FILTER (WHERE is_listen) AS integer) AS listens, coalesce(sum(ms_played), 0) AS ms_played
  FROM counted GROUP BY user_id, day, song_id;


-- name: user_hours
-- The rows that `listening_hours` is to have of some days of one user.
WITH counted AS (
    SELECT play.user_id, {local_day} AS day, {local_hour} AS hour, play.song_id, play.ms_played,
           {is_listen} AS is_listen
      FROM (SELECT * FROM {windows} LIMIT :windows) AS incoming
      {plays_of_windows}
      JOIN songs AS song ON song.id = play.song_id AND {local_day} BETWEEN incoming.first_day AND incoming.last_day
)
SELECT user_id, day, hour, CAST(count(*) AS integer) AS plays,
       CAST(count(*) FILTER (WHERE is_listen) AS integer) AS listens, coalesce(sum(ms_played), 0) AS ms_played
  FROM counted GROUP BY user_id, day, hour;


-- name: user_songs
-- The rows that `song_days` is to have of some days of one user.
WITH counted AS (
    SELECT play.user_id, {local_day} AS day, {local_hour} AS hour, play.song_id, play.ms_played,
           {is_listen} AS is_listen
      FROM (SELECT * FROM {windows} LIMIT :windows) AS incoming
      {plays_of_windows}
      JOIN songs AS song ON song.id = play.song_id AND {local_day} BETWEEN incoming.first_day AND incoming.last_day
)
SELECT user_id, day, song_id, CAST(count(*) AS integer) AS plays,
       CAST(count(*) FILTER (WHERE is_listen) AS integer) AS listens, coalesce(sum(ms_played), 0) AS ms_played
  FROM counted GROUP BY user_id, day, song_id;


-- name: first_listens
-- When a user began the first listen of each song on each of some days.
WITH counted AS (
    SELECT {local_day} AS day, play.song_id, play.played_at, play.ms_played, {is_listen} AS is_listen
      FROM (SELECT * FROM {windows} LIMIT :windows) AS incoming
      {plays_of_windows}
      JOIN songs AS song ON song.id = play.song_id AND {local_day} BETWEEN incoming.first_day AND incoming.last_day
)
SELECT day, song_id, min(played_at) AS began_at FROM counted WHERE is_listen GROUP BY day, song_id;


-- name: user_listens
-- The listens of some days of one user, with their local day and the listener's offset at that time.
SELECT {local_day} AS day, play.played_at,
       coalesce(play.utc_offset_minutes, incoming.offset_minutes, 0) AS offset_minutes, play.song_id, play.ms_played
  FROM (SELECT * FROM {windows} LIMIT :windows) AS incoming
  {plays_of_windows}
  JOIN songs AS song ON song.id = play.song_id AND {local_day} BETWEEN incoming.first_day AND incoming.last_day
 WHERE {is_listen};


-- fragment: marked_days
-- All users' stale days from `:first` to `:last`, and those of stale histories, each once.
-- CROSS JOIN keeps the order of the tables. After ANALYZE, SQLite would read all plays though nothing waits.
SELECT user_id, day FROM (
    SELECT user_id, day FROM stale_days UNION SELECT user_id, day FROM (
        SELECT play.user_id, {possible_day} AS day
          FROM (SELECT user_id, song_id FROM stale_histories WHERE charts_only IS NOT TRUE LIMIT :histories) AS incoming
          CROSS JOIN play_history AS play ON play.user_id = incoming.user_id JOIN {shifts}
         UNION ALL
        SELECT play.user_id, {possible_day} AS day
          FROM (SELECT user_id, song_id FROM stale_histories WHERE charts_only IS NOT TRUE LIMIT :histories) AS incoming
          CROSS JOIN play_history AS play ON play.song_id = incoming.song_id JOIN {shifts}
         UNION ALL
        SELECT hours.user_id, hours.day
          FROM (SELECT user_id, song_id FROM stale_histories WHERE charts_only IS NOT TRUE LIMIT :histories) AS incoming
          CROSS JOIN listening_hours AS hours ON hours.user_id = incoming.user_id
    ) AS touched
) AS marked WHERE day BETWEEN :first AND :last


-- name: count_waiting_days
-- How many days of all users wait for a sweep, by the users' timezone preference.
SELECT preferred.value ->> '$' AS zone, count(*) AS days, min(day) AS earliest, max(day) AS latest
  FROM ({marked_days}) AS waiting
  LEFT JOIN preferences AS preferred ON preferred.user_id = waiting.user_id AND preferred.key = 'timezone'
 GROUP BY zone;


-- name: waiting_days
-- The days of all users that wait for a sweep.
{marked_days} LIMIT :days;


-- name: waiting_plays
-- The plays of `waiting`, which is `waiting_days` in a WITH. A row for each play, with the columns of both rollups.
-- CROSS JOIN as above: SQLite would begin with the songs, and compare each play with each day of its user.
-- Rows are not summed here: no question groups by user and hour.
WITH counted AS (
    SELECT play.user_id, {local_day} AS day, {local_hour} AS hour, play.song_id, play.ms_played,
           {is_listen} AS is_listen
      FROM waiting
      CROSS JOIN play_history AS play ON play.user_id = waiting.user_id
       AND play.played_at >= date(waiting.day, '-1 day') AND play.played_at < date(waiting.day, '2 days')
      LEFT JOIN preferences AS preferred ON preferred.user_id = play.user_id AND preferred.key = 'timezone'
      LEFT JOIN (
            SELECT value ->> '$.zone' AS zone, value ->> '$.starts_at' AS starts_at, value ->> '$.ends_at' AS ends_at,
                   value ->> '$.offset_minutes' AS offset_minutes
              FROM json_each(:rows)) AS incoming
        ON incoming.zone = preferred.value ->> '$'
       AND play.played_at >= incoming.starts_at AND play.played_at < incoming.ends_at
      JOIN songs AS song ON song.id = play.song_id AND {local_day} = waiting.day
)
SELECT user_id, day, hour, 1 AS plays, CASE WHEN is_listen THEN 1 ELSE 0 END AS listens,
       coalesce(ms_played, 0) AS ms_played, song_id
  FROM counted;


-- name: clear_stale_days
-- Delete all marks of some days.
DELETE FROM stale_days WHERE (user_id, day) IN (
    SELECT user_id, day FROM (
        SELECT value ->> '$.user_id' AS user_id, value ->> '$.day' AS day FROM json_each(:rows)) AS incoming);


-- fragment: histories
(
    SELECT value ->> '$.user_id' AS user_id, value ->> '$.song_id' AS song_id,
           value ->> '$.mark' AS mark, value ->> '$.since' AS since
      FROM json_each(:rows)) AS incoming

-- name: mark_days_of_histories
-- Mark every day of users or songs whose whole history is stale.
-- Includes days that have rollups and no plays: a sweep then deletes what no play explains.
INSERT INTO stale_days (user_id, day, mark, created_at)
SELECT DISTINCT user_id, day, CAST(mark AS text), since
  FROM (
    SELECT play.user_id, {possible_day} AS day, incoming.mark, incoming.since
      FROM {histories}
      JOIN play_history AS play ON play.user_id = incoming.user_id JOIN {shifts}
     UNION ALL
    SELECT play.user_id, {possible_day} AS day, incoming.mark, incoming.since
      FROM {histories}
      JOIN play_history AS play ON play.song_id = incoming.song_id JOIN {shifts}
     UNION ALL
    SELECT hours.user_id, hours.day, incoming.mark, incoming.since
      FROM {histories}
      JOIN listening_hours AS hours ON hours.user_id = incoming.user_id
  ) AS days
 ORDER BY user_id, day;


-- name: mark_days_without_user
-- Mark the rollups of users whom TRUNCATE deleted. A sweep finds no plays of these users, and deletes the rollups.
INSERT INTO stale_days (user_id, day, mark)
SELECT user_id, day, CAST(:mark AS text)
  FROM (
    SELECT user_id, day FROM listening_hours
     WHERE NOT EXISTS (SELECT 1 FROM app_users WHERE app_users.id = user_id)
     UNION
    SELECT user_id, day FROM song_days
     WHERE NOT EXISTS (SELECT 1 FROM app_users WHERE app_users.id = user_id)
  ) AS stored
 ORDER BY user_id, day;


-- name: mark_charts_of_songs
-- Mark the charts of every day on which some songs, now filed under another artist or album, were played.
-- Nothing to mark without rollups: a chart that is drawn after these are computed sees the song as it is now.
INSERT INTO stale_charts (day, mark)
SELECT DISTINCT {possible_day} AS day, CAST(:mark AS text)
  FROM (SELECT value ->> '$.song_id' AS song_id FROM json_each(:rows)) AS incoming
  JOIN play_history AS play ON play.song_id = incoming.song_id JOIN {shifts}
 WHERE EXISTS (SELECT 1 FROM song_days)
 ORDER BY day;


-- name: mark_charts
-- Mark the charts of some days.
INSERT INTO stale_charts (day, mark)
SELECT day, mark FROM (SELECT value ->> '$.day' AS day, value ->> '$.mark' AS mark FROM json_each(:rows)) AS incoming
 WHERE true ORDER BY day;


-- name: file_songs
-- Store the artist and album identities of songs.
UPDATE songs SET artist_identity = incoming.artist_identity, album_identity = incoming.album_identity
  FROM (
    SELECT value ->> '$.id' AS id, value ->> '$.artist_identity' AS artist_identity,
           value ->> '$.album_identity' AS album_identity
      FROM json_each(:rows)) AS incoming
 WHERE songs.id = incoming.id;


-- fragment: offsets
-- Users with the offset of their timezone from one instant to another.
(
    SELECT value ->> '$.user_id' AS user_id, value ->> '$.starts_at' AS starts_at,
           value ->> '$.ends_at' AS ends_at, value ->> '$.offset_minutes' AS offset_minutes
      FROM json_each(:rows)) AS incoming

-- fragment: not_stale
-- A stale day is no difference yet, nor is one of a stale history: the user's, or a song's that the user has played.
NOT EXISTS (SELECT 1 FROM stale_days AS stale
             WHERE stale.user_id = compared.user_id AND stale.day = compared.day)
AND NOT EXISTS (SELECT 1 FROM stale_histories AS stale WHERE stale.user_id = compared.user_id)
AND NOT EXISTS (SELECT 1 FROM stale_histories AS stale JOIN play_history AS play USING (song_id)
                 WHERE play.user_id = compared.user_id AND stale.charts_only IS NOT TRUE)

-- name: compare_hours
-- The rows of `listening_hours` that differ from the plays of some users.
-- By the stretches of the users' timezones over all their plays, not by the windows of days that `compute_days` uses.
SELECT * FROM (
    SELECT user_id, day, hour,
           sum(plays) FILTER (WHERE wanted) AS plays, sum(listens) FILTER (WHERE wanted) AS listens,
           sum(ms_played) FILTER (WHERE wanted) AS ms_played, sum(plays) FILTER (WHERE NOT wanted) AS plays_found,
           sum(listens) FILTER (WHERE NOT wanted) AS listens_found,
           sum(ms_played) FILTER (WHERE NOT wanted) AS ms_played_found
      FROM (SELECT true AS wanted, user_id, day, hour, count(*) AS plays,
                   count(*) FILTER (WHERE is_listen) AS listens, coalesce(sum(ms_played), 0) AS ms_played
              FROM (SELECT play.user_id, {local_day} AS day, {local_hour} AS hour, play.song_id, play.ms_played,
                           {is_listen} AS is_listen
                      FROM {offsets}
                      JOIN play_history AS play ON play.user_id = incoming.user_id
                       AND play.played_at >= incoming.starts_at AND play.played_at < incoming.ends_at
                      JOIN songs AS song ON song.id = play.song_id) AS plays
             GROUP BY user_id, day, hour
             UNION ALL
            SELECT false, user_id, day, hour, plays, listens, ms_played FROM listening_hours
             WHERE user_id IN (SELECT user_id FROM {offsets})) AS both_sides
     GROUP BY user_id, day, hour) AS compared
 WHERE (plays, listens, ms_played) IS DISTINCT FROM (plays_found, listens_found, ms_played_found)
   AND {not_stale}
 ORDER BY user_id, day, hour;


-- name: compare_songs
-- The rows of `song_days` that differ from the plays of some users, as `compare_hours`.
SELECT * FROM (
    SELECT user_id, day, song_id,
           sum(plays) FILTER (WHERE wanted) AS plays, sum(listens) FILTER (WHERE wanted) AS listens,
           sum(ms_played) FILTER (WHERE wanted) AS ms_played, sum(plays) FILTER (WHERE NOT wanted) AS plays_found,
           sum(listens) FILTER (WHERE NOT wanted) AS listens_found,
           sum(ms_played) FILTER (WHERE NOT wanted) AS ms_played_found
      FROM (SELECT true AS wanted, user_id, day, song_id, count(*) AS plays,
                   count(*) FILTER (WHERE is_listen) AS listens, coalesce(sum(ms_played), 0) AS ms_played
              FROM (SELECT play.user_id, {local_day} AS day, {local_hour} AS hour, play.song_id, play.ms_played,
                           {is_listen} AS is_listen
                      FROM {offsets}
                      JOIN play_history AS play ON play.user_id = incoming.user_id
                       AND play.played_at >= incoming.starts_at AND play.played_at < incoming.ends_at
                      JOIN songs AS song ON song.id = play.song_id) AS plays
             GROUP BY user_id, day, song_id
             UNION ALL
            SELECT false, user_id, day, song_id, plays, listens, ms_played FROM song_days
             WHERE user_id IN (SELECT user_id FROM {offsets})) AS both_sides
     GROUP BY user_id, day, song_id) AS compared
 WHERE (plays, listens, ms_played) IS DISTINCT FROM (plays_found, listens_found, ms_played_found)
   AND {not_stale}
 ORDER BY user_id, day, song_id;


-- name: songs_like
-- The songs of which a name may match a pattern: in lower case, or because only its canonical form can be compared.
SELECT id, artist, title, album FROM songs
 WHERE artist LIKE :pattern ESCAPE '!' OR length(CAST(artist AS BLOB)) <> length(artist)
    OR title LIKE :pattern ESCAPE '!' OR length(CAST(title AS BLOB)) <> length(title)
    OR album LIKE :pattern ESCAPE '!' OR length(CAST(album AS BLOB)) <> length(album)
 ORDER BY id;
