"""Draw charts for everyone: long periods one by one, all short ones of a year together."""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, insert

from worker.database.locks import AdvisoryLock, take
from worker.database.statement import Statement
from worker.models import ChartPlace
from worker.statistics.periods import Period, Span
from worker.statistics.questions.sources import RollupsOnly
from worker.statistics.questions.subjects import Subject
from worker.statistics.questions.top import rank

# The last place of a chart.
LENGTH: Final = 500
# A year of days costs about what the year costs. Drawn one by one, each day would cost as much as a thousand plays.
_SHORT: Final = frozenset({Period.DAY, Period.WEEK, Period.MONTH})

_FORGET: Final = Statement(
    "DELETE FROM charts WHERE period = :period AND starts_on IN (SELECT starts_on FROM {rows})", {"starts_on": "date"}
)
# The ranking of `questions.top`, for each span. Every day of a span is a row, so that days are found by their index.
# Sums up each listener first: then the listeners are counted without sorting them.
_DRAW: Final = """
    INSERT INTO charts (subject, period, starts_on, place, identity, artist, title, plays, listens, ms_played,
                        listeners)
    SELECT CAST(:subject AS text), CAST(:period AS text), starts_on, place, filed_under, {name}, {title}, ranked.plays,
           ranked.listens, CAST(ranked.ms_played AS bigint), listeners
      FROM (SELECT sums.*, row_number() OVER (
                       PARTITION BY starts_on
                       ORDER BY listens DESC, plays DESC, ms_played DESC, latest DESC, filed_under) AS place
              FROM (SELECT starts_on, filed_under, min(song_id) AS song_id, min(track_id) AS track_id,
                           sum(plays) AS plays, sum(listens) AS listens, sum(ms_played) AS ms_played,
                           max(latest) AS latest, count(*) AS listeners
                      FROM (SELECT starts_on, user_id, {key} AS filed_under, {oldest},
                                   CAST(sum(plays) AS integer) AS plays, CAST(sum(listens) AS integer) AS listens,
                                   sum(CAST(ms_played AS double precision)) AS ms_played,
                                   max(CASE WHEN listens > 0 THEN day END) AS latest
                              FROM {{rows}} JOIN song_days AS heard USING (day)
                              {joined}
                             GROUP BY starts_on, user_id, {key}) AS of_user
                     WHERE filed_under IS NOT NULL
                     GROUP BY starts_on, filed_under HAVING sum(listens) > 0) AS sums) AS ranked
      {named}
     WHERE place <= :length
"""
_PARTS: Final[Mapping[Subject, Mapping[str, str]]] = {
    Subject.SONG: {
        "key": "songs.identity",
        "oldest": "min(heard.song_id) AS song_id, CAST(NULL AS bigint) AS track_id",
        "joined": "JOIN songs ON songs.id = heard.song_id",
        "named": "JOIN songs ON songs.id = song_id",
        "name": "artist",
        "title": "title",
    },
    Subject.ARTIST: {
        "key": "coalesce(listed.artist_identity, songs.artist_identity, songs.identity)",
        "oldest": "min(CASE WHEN listed.track_id IS NULL THEN heard.song_id END) AS song_id, "
        "min(listed.track_id) AS track_id",
        "joined": """
            JOIN songs ON songs.id = heard.song_id
            LEFT JOIN track_artists AS listed ON listed.track_id = heard.track_id
        """,
        "named": "LEFT JOIN songs ON songs.id = song_id",
        "name": """
            coalesce((SELECT min(into_artist) FROM merges WHERE subject = 'artist' AND into_identity = filed_under),
                     artist, (SELECT name FROM track_artists
                               WHERE track_id = ranked.track_id AND artist_identity = filed_under
                               ORDER BY position LIMIT 1))
        """,
        "title": "NULL",
    },
    Subject.ALBUM: {
        "key": "tracks.album_identity",
        "oldest": "CAST(NULL AS bigint) AS song_id, min(heard.track_id) AS track_id",
        "joined": "JOIN tracks ON tracks.id = heard.track_id",
        "named": "JOIN tracks ON tracks.id = track_id JOIN songs ON songs.id = tracks.song_id",
        "name": """
            coalesce((SELECT min(into_artist) FROM merges
                       WHERE subject = 'artist' AND into_identity = tracks.merged_artist_identity),
                     tracks.album_artist, tracks.artists ->> 0, songs.artist)
        """,
        "title": "tracks.album",
    },
}
_DRAWINGS: Final = {
    subject: Statement(_DRAW.format_map(parts), {"day": "date", "starts_on": "date"})
    for subject, parts in _PARTS.items()
}


def draw(connection: Connection, spans: Sequence[Span]) -> None:
    """Draw the charts of these spans of one period. Costs a look at each song of each of their days."""
    take(connection, AdvisoryLock.DRAW_CHARTS)
    period = spans[0].period
    _FORGET.run(connection, [{"starts_on": each.first.isoformat()} for each in spans], period=period.value)
    if period in _SHORT:
        days = [{"day": day.isoformat(), "starts_on": each.first.isoformat()} for each in spans for day in each.days()]
        for subject, drawing in _DRAWINGS.items():
            drawing.run(connection, days, subject=subject.value, period=period.value, length=LENGTH)
    else:
        for each in spans:
            _draw_long(connection, each)


def _draw_long(connection: Connection, span: Span) -> None:
    """One span, whose bounds PostgreSQL knows when it plans."""
    places = [
        {"subject": subject.value, "period": span.period.value, "starts_on": span.first, **vars(place)}
        for subject in Subject
        for place in rank(RollupsOnly(connection), subject, span, most=LENGTH)
    ]
    if places:
        connection.execute(insert(ChartPlace), places)
