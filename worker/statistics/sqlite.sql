-- The statistics statements of SQLite, each as it runs. postgresql.sql has the same statements for PostgreSQL, and
-- describes the format of both files.

-- fragment: duration
-- The song's duration by which a play is judged, over `play` and `song`: set by hand, else as sent with the play, unless
-- no song has that length. Releases before 0.3 kept it with the song alone.
coalesce(song.duration_set_ms, CASE WHEN play.duration_ms BETWEEN 1000 AND 86400000 THEN play.duration_ms END,
         CASE WHEN play.track_id IS NULL THEN song.legacy_duration_ms END)

-- fragment: is_listen
-- Whether a play counts as a listen, over `play` and `song`. worker/statistics/listen_rule.py describes the rule.
-- bigint, because hours in milliseconds times a hundred exceed an integer.
CASE WHEN play.ms_played IS NULL THEN true
     WHEN {duration} IS NULL THEN play.ms_played >= 1000 * :unknown_s
     ELSE CAST(100 AS bigint) * play.ms_played >= CAST(:percent AS bigint) * {duration}
          OR play.ms_played >= 1000 * :enough_s
END

-- fragment: song_and_track
-- What a play counts for, over `play` and `song`. Track 0: neither album nor artists were sent.
coalesce(song.counts_as_id, song.id) AS song_id, coalesce(play.track_id, song.legacy_track_id, 0) AS track_id

-- fragment: local_time
-- The listener's local time as arguments of a date function, over `play` and `incoming`. Whole seconds, because SQLite
-- counts in milliseconds and would round the last microseconds of a day into the next day.
substr(play.played_at, 1, 19), coalesce(play.utc_offset_minutes, incoming.offset_minutes, 0) || ' minutes'

-- fragment: local_day
date({local_time})

-- fragment: local_hour
CAST(strftime('%H', {local_time}) AS integer)

-- fragment: reach_ms
-- How close to `play` a play of the same song by another source is the same play: under half the song, 30 s where the
-- duration is unknown, a minute where the source knows only the minute, and never more than `:same_play_s`.
min(1000 * :same_play_s,
      CASE WHEN play.source LIKE '%-minutes' THEN 60000 ELSE coalesce({duration} / 2, 30000) END)

-- fragment: heard
-- A play as the statements below group it. Its instant is a number, because date functions count in milliseconds.
{local_day} AS day, {local_hour} AS hour,
{song_and_track},
play.ms_played, {is_listen} AS is_listen, play.played_at,
coalesce(play.utc_offset_minutes, incoming.offset_minutes, 0) AS offset_minutes,
CAST(strftime('%s', substr(play.played_at, 1, 19)) AS integer) * 1000000 + CAST(substr(play.played_at, 21, 6) AS integer) AS at_us, coalesce(play.source, '') AS source, play.id,
{reach_ms} AS reach_ms

-- fragment: left_out
-- What the users of `leaving` leave out, all merges followed: songs, those of an artist, and tracks that list one.
-- Planning it takes a millisecond, so `statements` empties this fragment, `leaving` and `not_left_out` for a question
-- about a user who leaves nothing out.
left_out_names AS (
    SELECT user_id, leaving.subject, coalesce(merges.counts_as_identity, leaving.identity) AS identity
      FROM leaving LEFT JOIN merges ON merges.subject = leaving.subject AND merges.identity = leaving.identity
), left_out_songs AS (
    SELECT user_id, songs.id AS song_id
      FROM left_out_names AS named JOIN songs ON songs.twin_identity = named.identity WHERE named.subject = 'song'
     UNION ALL
    SELECT user_id, songs.id
      FROM left_out_names AS named JOIN songs ON songs.artist_identity = named.identity WHERE named.subject = 'artist'
), left_out_tracks AS (
    SELECT user_id, listed.track_id
      FROM left_out_names AS named JOIN track_artists AS listed ON listed.artist_identity = named.identity
     WHERE named.subject = 'artist'
),

-- fragment: not_left_out
WHERE (user_id, song_id) NOT IN (SELECT user_id, song_id FROM left_out_songs)
  AND (user_id, track_id) NOT IN (SELECT user_id, track_id FROM left_out_tracks)

-- fragment: counted
-- From `seen` the plays that count. What its user leaves out is as if it were deleted. Plays of one user and song that
-- are close together form a run. If several sources report the same plays, one of them counts: the one with most plays
-- in the run, else with most known lengths, else the earliest. A run of an hour or more is no such report, so a play
-- counts if its run reaches an hour back or ahead: what counts depends on two hours and not on a whole history.
{left_out} linked AS (
    SELECT seen.*, CASE WHEN at_us - lag(at_us) OVER heard
                     < 1000 * max(reach_ms, lag(reach_ms) OVER heard)
                        THEN 0 ELSE 1 END AS begins
      FROM seen {not_left_out}
    WINDOW heard AS (PARTITION BY user_id, part, song_id ORDER BY at_us, source, id)
), runs AS (
    SELECT linked.*, sum(begins) OVER heard AS run, lead(begins, 1, 1) OVER heard = 1 AND begins = 1 AS is_alone
      FROM linked WINDOW heard AS (PARTITION BY user_id, part, song_id ORDER BY at_us, source, id)
), reports AS (
    SELECT runs.*, count(*) OVER own AS plays, count(ms_played) OVER own AS known, min(at_us) OVER own AS own_first_at
      FROM runs WHERE NOT is_alone WINDOW own AS (PARTITION BY user_id, part, song_id, run, source)
), judged AS (
    SELECT reports.*,
           first_value(source) OVER (PARTITION BY user_id, part, song_id, run
                                     ORDER BY plays DESC, known DESC, own_first_at, source) AS counted_source,
           at_us - min(at_us) OVER whole >= 3600000000 OR max(at_us) OVER whole - at_us >= 3600000000 AS is_long,
           min(source) OVER whole <> max(source) OVER whole AS has_several_sources,
           count(*) FILTER (WHERE is_wanted) OVER whole > 0 AS has_wanted
      FROM reports WINDOW whole AS (PARTITION BY user_id, part, song_id, run)
), counted AS (
    SELECT user_id, day, hour, song_id, track_id, ms_played, is_listen, played_at, offset_minutes
      FROM runs WHERE is_alone AND is_wanted
     UNION ALL
    SELECT user_id, day, hour, song_id, track_id, ms_played, is_listen, played_at, offset_minutes
      FROM judged WHERE is_wanted AND (source = counted_source OR is_long)
)

-- fragment: possible_day
-- A day that a change of `play` may concern: its local day, or one beside it, which a run of plays may connect with it.
date(substr(play.played_at, 1, 19), coalesce(play.utc_offset_minutes, 0) || ' minutes', shift || ' days')

-- fragment: shifts
(SELECT -1 AS shift UNION SELECT 0 UNION SELECT 1) AS shifts ON true

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

-- fragment: leaving
leaving AS (SELECT * FROM left_out WHERE user_id IN (SELECT user_id FROM {windows})),


-- fragment: of_windows
WITH {leaving} seen AS (
    -- A window is wider than its days: what counts depends on the plays around them.
    SELECT play.user_id, incoming.first_day AS part, {local_day} BETWEEN first_day AND last_day AS is_wanted,
           {heard}
      FROM {windows}
      {plays_of_windows}
      JOIN songs AS song ON song.id = play.song_id
), {counted}

-- fragment: plays_of_user
-- PostgreSQL estimates a hundred rows for `:rows`, and would read all songs for so many. LIMIT gives it the number.
SELECT play.user_id, incoming.first_day AS part, {local_day} BETWEEN first_day AND last_day AS is_wanted,
       {heard}
  FROM (SELECT * FROM {windows} LIMIT :windows) AS incoming
  {plays_of_windows}

-- fragment: of_user
WITH {leaving} seen AS (
    {plays_of_user}
      JOIN songs AS song ON song.id = play.song_id
), {counted}

-- fragment: song_of_each
-- For a few days.
JOIN songs AS song ON song.id = play.song_id

-- fragment: of_few_days
WITH {leaving} seen AS (
    {plays_of_user}
      {song_of_each}
), {counted}

-- fragment: joined
-- Days of users that were not asked for, and that a run of plays of several sources connects with one that was.
SELECT DISTINCT user_id, day FROM judged WHERE NOT is_wanted AND has_several_sources AND has_wanted


-- name: compute_days
-- Replace the rollups of whole days by what the plays say. Returns the days that have to be computed with them.
-- SQLite cannot write inside a WITH, and finding out which rows differ would take more looks at the plays. So this
-- deletes all rows of the days, and inserts them again.
DELETE FROM listening_hours WHERE (user_id, day) IN (
    SELECT user_id, day FROM {windows} JOIN listening_hours USING (user_id) WHERE day BETWEEN first_day AND last_day);
DELETE FROM song_days WHERE (user_id, day) IN (
    SELECT user_id, day FROM {windows} JOIN song_days USING (user_id) WHERE day BETWEEN first_day AND last_day);
{of_windows}
INSERT INTO listening_hours (user_id, day, hour, plays, listens, ms_played)
SELECT user_id, day, hour, CAST(count(*) AS integer) AS plays,
       CAST(count(*) FILTER (WHERE is_listen) AS integer) AS listens, coalesce(sum(ms_played), 0) AS ms_played
  FROM counted GROUP BY user_id, day, hour;
{of_windows}
INSERT INTO song_days (user_id, day, song_id, track_id, plays, listens, ms_played)
SELECT user_id, day, song_id, track_id, CAST(count(*) AS integer) AS plays,
       CAST(count(*) FILTER (WHERE is_listen) AS integer) AS listens, coalesce(sum(ms_played), 0) AS ms_played
  FROM counted GROUP BY user_id, day, song_id, track_id;
{of_windows}
{joined};


-- name: user_hours
-- The rows that `listening_hours` is to have of some days of one user.
{of_user}
SELECT user_id, day, hour, CAST(count(*) AS integer) AS plays,
       CAST(count(*) FILTER (WHERE is_listen) AS integer) AS listens, coalesce(sum(ms_played), 0) AS ms_played
  FROM counted GROUP BY user_id, day, hour;


-- name: user_songs
-- The rows that `song_days` is to have of some days of one user.
{of_user}
SELECT user_id, day, song_id, track_id, CAST(count(*) AS integer) AS plays,
       CAST(count(*) FILTER (WHERE is_listen) AS integer) AS listens, coalesce(sum(ms_played), 0) AS ms_played
  FROM counted GROUP BY user_id, day, song_id, track_id;


-- name: joined_days
-- The days beside some days of one user that have to be computed with them.
{of_user}
{joined};


-- name: user_rows
-- What a few days of one user add up to by hour and track, from which the rows of both rollups follow. A row without an
-- hour is a day beside them that has to be computed with them.
{of_few_days}
SELECT user_id, day, hour, song_id, track_id, CAST(count(*) AS integer) AS plays,
       CAST(count(*) FILTER (WHERE is_listen) AS integer) AS listens, coalesce(sum(ms_played), 0) AS ms_played
  FROM counted GROUP BY user_id, day, hour, song_id, track_id
 UNION ALL
SELECT user_id, day, NULL, 0, 0, 0, 0, 0 FROM ({joined}) AS joined;


-- name: given_hours
-- Rows that `listening_hours` is to have, computed by `user_rows`.
SELECT value ->> '$.user_id' AS user_id, value ->> '$.day' AS day, value ->> '$.hour' AS hour,
       value ->> '$.plays' AS plays, value ->> '$.listens' AS listens, value ->> '$.ms_played' AS ms_played
  FROM json_each(:rows) LIMIT :given;


-- name: given_songs
-- Rows that `song_days` is to have, computed by `user_rows`.
SELECT value ->> '$.user_id' AS user_id, value ->> '$.day' AS day, value ->> '$.song_id' AS song_id,
       value ->> '$.track_id' AS track_id, value ->> '$.plays' AS plays, value ->> '$.listens' AS listens, value ->> '$.ms_played' AS ms_played
  FROM json_each(:rows) LIMIT :given;


-- name: second_reports
-- Plays of some days of one user that do not count, because another source reports the same ones, with that source.
{of_few_days}
SELECT id, counted_source FROM judged WHERE is_wanted AND source <> counted_source AND NOT is_long;


-- name: user_listens
-- The listens of some days of one user, with their local day and the listener's offset at that time.
{of_user}
SELECT day, played_at, offset_minutes, song_id, ms_played FROM counted WHERE is_listen;


-- name: short_plays
-- Plays of some days of one user that did not last long enough for a listen.
{of_few_days}
SELECT id FROM seen WHERE is_wanted AND NOT is_listen;


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
WITH leaving AS (SELECT * FROM left_out), seen AS (
    SELECT play.user_id, 0 AS part, true AS is_wanted,
           {heard}
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
), {counted}
SELECT user_id, day, hour, 1 AS plays, CASE WHEN is_listen THEN 1 ELSE 0 END AS listens,
       coalesce(ms_played, 0) AS ms_played, song_id, track_id
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
-- Includes days that have rollups and no plays: a sweep then deletes what no play explains. Of a user all plays are
-- there, so the days beside a play count only where its own is not certain: three times fewer days.
INSERT INTO stale_days (user_id, day, mark, created_at)
SELECT DISTINCT user_id, day, CAST(mark AS text), since
  FROM (
    SELECT play.user_id, {possible_day} AS day, incoming.mark, incoming.since
      FROM {histories}
      JOIN play_history AS play ON play.user_id = incoming.user_id
      JOIN {shifts} AND (shift = 0 OR play.utc_offset_minutes IS NULL)
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


-- fragment: user_days
(SELECT value ->> '$.user_id' AS user_id, value ->> '$.day' AS day FROM json_each(:rows)) AS incoming

-- fragment: played_songs
(SELECT value ->> '$.song_id' AS song_id FROM json_each(:rows)) AS incoming

-- fragment: users
(SELECT value ->> '$.user_id' AS user_id FROM json_each(:rows)) AS incoming

-- fragment: stretches
(SELECT value ->> '$.user_id' AS user_id, value ->> '$.first_day' AS first_day, value ->> '$.last_day' AS last_day
   FROM json_each(:rows)) AS incoming


-- fragment: sum_columns
-- `day` is the latest with a listen; without one it says nothing, and is the latest.
CAST(sum(plays) AS integer) AS plays, CAST(sum(listens) AS integer) AS listens, CAST(sum(ms_played) AS bigint) AS ms_played,
coalesce(max(CASE WHEN listens > 0 THEN day END), max(day)) AS day

-- name: forget_sums
-- Forget the sums of users with a stretch that contains one of some days. What stays behind is not read any more.
DELETE FROM summed_stretches WHERE user_id IN (
    SELECT stored.user_id
      FROM {user_days}
      JOIN summed_stretches AS stored
        ON stored.user_id = incoming.user_id AND incoming.day BETWEEN stored.first_day AND stored.last_day);


-- name: forget_sums_of_songs
-- Forget the sums of users who have played some songs, now filed under another artist or album.
DELETE FROM summed_stretches WHERE EXISTS (
    SELECT 1
      FROM {played_songs}
      JOIN song_days ON song_days.song_id = incoming.song_id
     WHERE song_days.user_id = summed_stretches.user_id);


-- name: users_to_sum
-- Which of some users have at least `:most` rows of `song_days` after the days of the sums of all time, which begin on
-- `:first`.
SELECT user_id
  FROM {users}
 WHERE (SELECT count(*)
          FROM (SELECT 1 FROM song_days AS heard
                 WHERE heard.user_id = incoming.user_id
                   AND heard.day > coalesce((SELECT max(last_day) FROM summed_stretches AS stored
                                              WHERE stored.user_id = incoming.user_id AND first_day = :first), :first)
                 LIMIT :most) AS unsummed) >= :most;


-- name: sum_stretches
-- Sum up stretches of users.
INSERT INTO summed_stretches (user_id, first_day, last_day, stamp)
SELECT user_id, first_day, last_day, lower(hex(randomblob(16))) FROM {stretches} WHERE true ORDER BY user_id, first_day, last_day;
WITH tracks_heard AS MATERIALIZED (
    SELECT user_id, first_day, last_day, song_id, track_id, {sum_columns}
      FROM {stretches} JOIN song_days USING (user_id)
     WHERE day BETWEEN first_day AND last_day
     GROUP BY user_id, first_day, last_day, song_id, track_id
)
INSERT INTO subject_sums (user_id, first_day, last_day, subject, filed_under, named_song_id, named_track_id,
                          plays, listens, ms_played, day)
SELECT user_id, first_day, last_day, 'song', songs.identity, song_id, CAST(NULL AS bigint), {sum_columns}
  FROM tracks_heard JOIN songs ON songs.id = song_id
 GROUP BY 1, 2, 3, 5, 6
 UNION ALL
SELECT user_id, first_day, last_day, 'artist', coalesce(listed.artist_identity, songs.artist_identity, songs.identity),
       min(CASE WHEN listed.track_id IS NULL THEN song_id END), min(listed.track_id), {sum_columns}
  FROM tracks_heard JOIN songs ON songs.id = song_id
  LEFT JOIN track_artists AS listed ON listed.track_id = tracks_heard.track_id
 GROUP BY 1, 2, 3, 5
 UNION ALL
SELECT user_id, first_day, last_day, 'album', album_identity, NULL, min(track_id), {sum_columns}
  FROM tracks_heard JOIN tracks ON tracks.id = track_id
 WHERE album_identity IS NOT NULL
 GROUP BY 1, 2, 3, 5;
INSERT INTO day_sums (user_id, first_day, last_day, day, plays, listens, ms_played)
SELECT user_id, first_day, last_day, day,
       CAST(sum(plays) AS integer), CAST(sum(listens) AS integer), CAST(sum(ms_played) AS bigint)
  FROM {stretches} JOIN listening_hours USING (user_id)
 WHERE day BETWEEN first_day AND last_day
 GROUP BY user_id, first_day, last_day, day
 ORDER BY user_id, first_day, last_day, day;


-- name: file_songs
-- Store the identities of songs. Twins keep theirs, because a song may have been split from them; and what was known of
-- a song's album and duration before 0.3 never changes. A duration that was set by hand is that of the twins.
UPDATE songs
   SET artist_identity = incoming.artist_identity, is_filed = true,
       twin_identity = coalesce(songs.twin_identity, incoming.twin_identity),
       legacy_track_id = coalesce(songs.legacy_track_id, incoming.legacy_track_id),
       legacy_duration_ms = coalesce(songs.legacy_duration_ms, incoming.legacy_duration_ms),
       duration_set_ms = coalesce(songs.duration_set_ms, (
           SELECT max(twin.duration_set_ms) FROM songs AS twin
            WHERE twin.twin_identity = coalesce(songs.twin_identity, incoming.twin_identity)))
  FROM (SELECT value ->> '$.id' AS id,
               value ->> '$.artist_identity' AS artist_identity,
               value ->> '$.twin_identity' AS twin_identity,
               value ->> '$.legacy_track_id' AS legacy_track_id,
               value ->> '$.legacy_duration_ms' AS legacy_duration_ms
          FROM json_each(:rows)) AS incoming
 WHERE songs.id = incoming.id;


-- name: link_twins
-- Point the songs of each twin identity at `head_id`, one of them, and this one at the song that it is merged into.
UPDATE songs SET merged_into_id = wanted.merged_into_id, counts_as_id = wanted.counts_as_id
  FROM (
    SELECT song.id, CASE WHEN song.id = head_id THEN into_id ELSE head_id END AS merged_into_id,
           nullif(coalesce(end_id, head_id), song.id) AS counts_as_id
      FROM (SELECT value ->> '$.twin_identity' AS twin_identity, value ->> '$.head_id' AS head_id,
                   value ->> '$.into_id' AS into_id, value ->> '$.end_id' AS end_id
              FROM json_each(:rows)) AS incoming
      JOIN songs AS song ON song.twin_identity = incoming.twin_identity
  ) AS wanted
 WHERE songs.id = wanted.id
   AND (songs.merged_into_id, songs.counts_as_id) IS NOT (wanted.merged_into_id, wanted.counts_as_id);


-- name: file_tracks
-- Store the album identities of tracks, and whom the artists of these albums count as.
UPDATE tracks SET album_identity = incoming.album_identity, merged_artist_identity = incoming.merged_artist_identity
  FROM (SELECT value ->> '$.id' AS id,
               value ->> '$.album_identity' AS album_identity,
               value ->> '$.merged_artist_identity' AS merged_artist_identity
          FROM json_each(:rows)) AS incoming
 WHERE tracks.id = incoming.id;


-- fragment: offsets
-- Users with the offset of their timezone from one instant to another.
(
    SELECT value ->> '$.user_id' AS user_id, value ->> '$.starts_at' AS starts_at,
           value ->> '$.ends_at' AS ends_at, value ->> '$.offset_minutes' AS offset_minutes
      FROM json_each(:rows)) AS incoming

-- fragment: all_counted
leaving AS (
    SELECT * FROM left_out WHERE user_id IN (SELECT user_id FROM {offsets})
), seen AS (
    SELECT play.user_id, 0 AS part, true AS is_wanted,
           {heard}
      FROM {offsets}
      JOIN play_history AS play ON play.user_id = incoming.user_id
       AND play.played_at >= incoming.starts_at AND play.played_at < incoming.ends_at
      JOIN songs AS song ON song.id = play.song_id
), {counted}

-- fragment: not_stale
-- A stale day is no difference yet, nor one beside it, nor is one of a stale history: the user's, or a song's that the user has played.
NOT EXISTS (SELECT 1 FROM stale_days AS stale
             WHERE stale.user_id = compared.user_id
               AND stale.day BETWEEN date(compared.day, '-1 day') AND date(compared.day, '1 day'))
AND NOT EXISTS (SELECT 1 FROM stale_histories AS stale WHERE stale.user_id = compared.user_id)
AND NOT EXISTS (SELECT 1 FROM stale_histories AS stale JOIN play_history AS play USING (song_id)
                 WHERE play.user_id = compared.user_id AND stale.charts_only IS NOT TRUE)

-- fragment: two_sides
-- What the plays say and what is stored, each side with one row at most.
max(plays) FILTER (WHERE wanted) AS plays, max(listens) FILTER (WHERE wanted) AS listens,
max(ms_played) FILTER (WHERE wanted) AS ms_played, max(plays) FILTER (WHERE NOT wanted) AS plays_found,
max(listens) FILTER (WHERE NOT wanted) AS listens_found, max(ms_played) FILTER (WHERE NOT wanted) AS ms_played_found

-- name: compare_days
-- The rows of `listening_hours` and `song_days` that differ from the plays of some users, from one look at the plays.
-- By the stretches of the users' timezones over all their plays, not by the windows of days that `compute_days` uses.
WITH {all_counted}
SELECT * FROM (
    SELECT 'listening_hours' AS rollup, user_id, day, CAST(hour AS text) AS key, {two_sides}
      FROM (SELECT true AS wanted, user_id, day, hour, count(*) AS plays,
                   count(*) FILTER (WHERE is_listen) AS listens, coalesce(sum(ms_played), 0) AS ms_played
              FROM counted
             GROUP BY user_id, day, hour
             UNION ALL
            SELECT false, user_id, day, hour, plays, listens, ms_played FROM listening_hours
             WHERE user_id IN (SELECT user_id FROM {offsets})) AS both_sides
     GROUP BY user_id, day, hour
     UNION ALL
    SELECT 'song_days', user_id, day, CAST(song_id AS text) || '/' || CAST(track_id AS text), {two_sides}
      FROM (SELECT true AS wanted, user_id, day, song_id, track_id, count(*) AS plays,
                   count(*) FILTER (WHERE is_listen) AS listens, coalesce(sum(ms_played), 0) AS ms_played
              FROM counted
             GROUP BY user_id, day, song_id, track_id
             UNION ALL
            SELECT false, user_id, day, song_id, track_id, plays, listens, ms_played FROM song_days
             WHERE user_id IN (SELECT user_id FROM {offsets})) AS both_sides
     GROUP BY user_id, day, song_id, track_id) AS compared
 WHERE (plays, listens, ms_played) IS DISTINCT FROM (plays_found, listens_found, ms_played_found)
   AND {not_stale}
 ORDER BY rollup, user_id, day, key;


-- name: compare_sums
-- The rows of `day_sums` that differ from the hours of the stretches of some users.
SELECT * FROM (
    SELECT user_id, first_day, last_day, day,
           sum(plays) FILTER (WHERE wanted) AS plays, sum(listens) FILTER (WHERE wanted) AS listens,
           sum(ms_played) FILTER (WHERE wanted) AS ms_played, sum(plays) FILTER (WHERE NOT wanted) AS plays_found,
           sum(listens) FILTER (WHERE NOT wanted) AS listens_found,
           sum(ms_played) FILTER (WHERE NOT wanted) AS ms_played_found
      FROM (SELECT true AS wanted, user_id, first_day, last_day, day, plays, listens, ms_played
              FROM summed_stretches JOIN listening_hours USING (user_id)
             WHERE day BETWEEN first_day AND last_day
             UNION ALL
            SELECT false, user_id, first_day, last_day, day, plays, listens, ms_played
              FROM summed_stretches JOIN day_sums USING (user_id, first_day, last_day)) AS both_sides
     WHERE user_id IN (SELECT user_id FROM {users})
     GROUP BY user_id, first_day, last_day, day) AS compared
 WHERE (plays, listens, ms_played) IS DISTINCT FROM (plays_found, listens_found, ms_played_found)
 ORDER BY user_id, first_day, last_day, day;

-- fragment: days_of_charts
-- Days of periods of one kind, which begin on `starts_on`.
(SELECT value ->> '$.day' AS day, value ->> '$.starts_on' AS starts_on FROM json_each(:rows)) AS incoming

-- fragment: heard_in_charts
CAST(sum(plays) AS integer) AS plays, CAST(sum(listens) AS integer) AS listens,
sum(CAST(ms_played AS double precision)) AS ms_played, max(CASE WHEN listens > 0 THEN day END) AS latest

-- fragment: placed
-- The places of `sums`.
placed AS MATERIALIZED (
    SELECT * FROM (
        SELECT sums.*, row_number() OVER (
                   PARTITION BY starts_on
                   ORDER BY listens DESC, plays DESC, ms_played DESC, latest DESC, filed_under) AS place
          FROM sums) AS ranked
     WHERE place <= :length)

-- fragment: charts_compared
-- How many places of each chart only `drawn` has, and how many only `charts`.
SELECT starts_on, sum(wanted) AS wanted, sum(found) AS found
  FROM (SELECT starts_on, sum(wanted) AS wanted, sum(found) AS found
          FROM (SELECT 1 AS wanted, 0 AS found, starts_on, place, filed_under, artist, title, plays, listens,
                       CAST(ms_played AS bigint) AS ms_played, listeners
                  FROM drawn
                 UNION ALL
                SELECT 0, 1, starts_on, place, identity, artist, title, plays, listens, ms_played, listeners
                  FROM charts
                 WHERE subject = :subject AND period = :period
                   AND starts_on IN (SELECT starts_on FROM {days_of_charts})) AS both_sides
         GROUP BY starts_on, place, filed_under, artist, title, plays, listens, ms_played, listeners) AS places
 WHERE wanted <> found
 GROUP BY starts_on
 ORDER BY starts_on

-- name: compare_song_charts
-- The charts of songs of some periods that differ from `song_days`. By other SQL than draws them: sums know no listeners,
-- who are counted of the places alone.
WITH heard AS (
    SELECT starts_on, song_id, {heard_in_charts}
      FROM {days_of_charts} JOIN song_days USING (day)
     GROUP BY starts_on, song_id HAVING sum(listens) > 0
), sums AS (
    SELECT heard.*, songs.identity AS filed_under FROM heard JOIN songs ON songs.id = song_id
), {placed}, listening AS (
    SELECT starts_on, song_id, count(DISTINCT user_id) AS listeners
      FROM {days_of_charts} JOIN song_days USING (day) JOIN placed USING (starts_on, song_id)
     GROUP BY starts_on, song_id
), drawn AS (
    SELECT placed.*, songs.artist, songs.title, listening.listeners
      FROM placed JOIN listening USING (starts_on, song_id) JOIN songs ON songs.id = song_id
)
{charts_compared};


-- fragment: artist_of_track
coalesce(listed.artist_identity, songs.artist_identity, songs.identity)

-- name: compare_artist_charts
-- The charts of artists of some periods that differ from `song_days`, as `compare_song_charts`.
WITH heard AS (
    SELECT starts_on, song_id, track_id, {heard_in_charts}
      FROM {days_of_charts} JOIN song_days USING (day)
     GROUP BY starts_on, song_id, track_id
), sums AS (
    SELECT starts_on, {artist_of_track} AS filed_under,
           min(CASE WHEN listed.track_id IS NULL THEN song_id END) AS song_id, min(listed.track_id) AS track_id,
           sum(plays) AS plays, sum(listens) AS listens, sum(ms_played) AS ms_played, max(latest) AS latest
      FROM heard JOIN songs ON songs.id = song_id
      LEFT JOIN track_artists AS listed ON listed.track_id = heard.track_id
     GROUP BY starts_on, {artist_of_track} HAVING sum(listens) > 0
), {placed}, listening AS (
    SELECT placed.starts_on, placed.filed_under, count(DISTINCT user_id) AS listeners
      FROM {days_of_charts} JOIN song_days USING (day) JOIN songs ON songs.id = song_days.song_id
      LEFT JOIN track_artists AS listed ON listed.track_id = song_days.track_id
      JOIN placed ON placed.starts_on = incoming.starts_on AND placed.filed_under = {artist_of_track}
     GROUP BY placed.starts_on, placed.filed_under
), drawn AS (
    SELECT placed.*, NULL AS title, listening.listeners,
           coalesce((SELECT min(into_artist) FROM merges WHERE subject = 'artist' AND into_identity = filed_under),
                    songs.artist, (SELECT min(name) FROM track_artists AS listed
                                    WHERE listed.track_id = placed.track_id AND artist_identity = filed_under)) AS artist
      FROM placed JOIN listening USING (starts_on, filed_under) LEFT JOIN songs ON songs.id = song_id
)
{charts_compared};


-- name: compare_album_charts
-- The charts of albums of some periods that differ from `song_days`, as `compare_song_charts`.
WITH heard AS (
    SELECT starts_on, track_id, {heard_in_charts}
      FROM {days_of_charts} JOIN song_days USING (day)
     GROUP BY starts_on, track_id
), sums AS (
    SELECT starts_on, album_identity AS filed_under, min(track_id) AS track_id,
           sum(plays) AS plays, sum(listens) AS listens, sum(ms_played) AS ms_played, max(latest) AS latest
      FROM heard JOIN tracks ON tracks.id = track_id
     WHERE album_identity IS NOT NULL
     GROUP BY starts_on, album_identity HAVING sum(listens) > 0
), {placed}, listening AS (
    SELECT placed.starts_on, filed_under, count(DISTINCT user_id) AS listeners
      FROM {days_of_charts} JOIN song_days USING (day) JOIN tracks ON tracks.id = song_days.track_id
      JOIN placed ON placed.starts_on = incoming.starts_on AND filed_under = album_identity
     GROUP BY placed.starts_on, filed_under
), drawn AS (
    SELECT placed.*, tracks.album AS title, listening.listeners,
           coalesce((SELECT min(into_artist) FROM merges
                      WHERE subject = 'artist' AND into_identity = tracks.merged_artist_identity),
                    tracks.album_artist, tracks.artists ->> 0, songs.artist) AS artist
      FROM placed JOIN listening USING (starts_on, filed_under)
      JOIN tracks ON tracks.id = track_id JOIN songs ON songs.id = tracks.song_id
)
{charts_compared};


-- name: names_like
-- Names that may match a pattern, with what they name: without the space before the word, for which SQLite would need as
-- long as Python; or because only its loose form can be compared.
SELECT DISTINCT 'artist' AS subject, coalesce(artist_identity, identity) AS identity, artist AS name FROM songs
 WHERE replace(artist, '`', '''') LIKE '%' || substr(:pattern, 3) ESCAPE '!' OR length(CAST(artist AS BLOB)) <> length(artist)
 UNION ALL
SELECT 'artist' AS subject, artist_identity AS identity, name FROM track_artists
 WHERE replace(name, '`', '''') LIKE '%' || substr(:pattern, 3) ESCAPE '!' OR length(CAST(name AS BLOB)) <> length(name)
 UNION ALL
SELECT DISTINCT 'album' AS subject, album_identity AS identity, album AS name FROM tracks
 WHERE album_identity IS NOT NULL
   AND (replace(album, '`', '''') LIKE '%' || substr(:pattern, 3) ESCAPE '!' OR length(CAST(album AS BLOB)) <> length(album))
 UNION ALL
SELECT 'song' AS subject, identity, title AS name FROM songs
 WHERE replace(title, '`', '''') LIKE '%' || substr(:pattern, 3) ESCAPE '!' OR length(CAST(title AS BLOB)) <> length(title);
