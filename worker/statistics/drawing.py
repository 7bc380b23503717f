"""Draw charts for everyone: long periods one by one, all short ones of a year together."""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, insert

from worker.database.locks import AdvisoryLock, take
from worker.database.statement import Statement
from worker.models import ChartPlace
from worker.statistics.periods import Period, Span
from worker.statistics.questions.sources import RollupsOnly
from worker.statistics.questions.top import Subject, rank

# The last place of a chart.
LENGTH: Final = 500
# A year of days costs about what the year costs. Drawn one by one, each day would cost as much as a thousand plays.
_SHORT: Final = frozenset({Period.DAY, Period.WEEK, Period.MONTH})

_FORGET: Final = Statement(
    "DELETE FROM charts WHERE period = :period AND starts_on IN (SELECT starts_on FROM {rows})", {"starts_on": "date"}
)
# The ranking of `questions.top`, for each span. Every day of a span is a row, so that days are found by their index.
_DRAW: Final = """
    INSERT INTO charts (subject, period, starts_on, place, identity, artist, title, plays, listens, ms_played,
                        listeners)
    SELECT CAST(:subject AS text), CAST(:period AS text), starts_on, place, {identity}, artist, {title}, plays,
           listens, ms_played, listeners
      FROM (SELECT sums.*, row_number() OVER (
                       PARTITION BY starts_on ORDER BY listens DESC, plays DESC, song_id) AS place
              FROM (SELECT starts_on, min(song_id) AS song_id, CAST(sum(plays) AS bigint) AS plays,
                           CAST(sum(listens) AS bigint) AS listens, CAST(sum(ms_played) AS bigint) AS ms_played,
                           CAST(count(DISTINCT user_id) AS integer) AS listeners
                      FROM (SELECT starts_on, song_id, user_id, sum(plays) AS plays, sum(listens) AS listens,
                                   sum(ms_played) AS ms_played
                              FROM {{rows}} JOIN song_days USING (day)
                             GROUP BY starts_on, song_id, user_id) AS heard
                      JOIN songs ON songs.id = heard.song_id
                     GROUP BY starts_on, {key} HAVING count({key}) > 0 AND sum(listens) > 0) AS sums) AS ranked
      JOIN songs ON songs.id = ranked.song_id
     WHERE place <= :length
"""
_KEY_AND_TITLE: Final[Mapping[Subject, tuple[str, str, str]]] = {
    Subject.SONG: ("songs.id", "songs.identity", "title"),
    Subject.ARTIST: (
        "coalesce(songs.artist_identity, songs.identity)",
        "coalesce(songs.artist_identity, songs.identity)",
        "NULL",
    ),
    Subject.ALBUM: ("songs.album_identity", "songs.album_identity", "album"),
}
_DRAWINGS: Final = {
    subject: Statement(_DRAW.format(key=key, identity=identity, title=title), {"day": "date", "starts_on": "date"})
    for subject, (key, identity, title) in _KEY_AND_TITLE.items()
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
