"""What the rollups of everyone lack: the days that wait to be computed, and the plays of these days."""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import CTE, Connection, Date, Integer, Text, func, select

from worker.database.statement import Statement
from worker.models import ListeningHour, SongDay, StaleDay, StaleHistory
from worker.statistics.listen_rule import ListenRule
from worker.statistics.local_time import LOCAL_WORDS, ZONE_COLUMNS, zone_rows
from worker.statistics.rollups.compute import columns_of, counted
from worker.statistics.rollups.pending import DAY_WORDS, days_of_histories

_WORDS: Final = {
    "postgresql": {
        **DAY_WORDS["postgresql"],
        **LOCAL_WORDS["postgresql"],
        "preferred": "preferred.value #>> '{}'",
        "a_day_before": "CAST(waiting.day - 1 AS timestamptz)",
        "two_days_after": "CAST(waiting.day + 2 AS timestamptz)",
    },
    "sqlite": {
        **DAY_WORDS["sqlite"],
        **LOCAL_WORDS["sqlite"],
        "preferred": "preferred.value ->> '$'",
        "a_day_before": "date(waiting.day, '-1 day')",
        "two_days_after": "date(waiting.day, '2 days')",
    },
}
# PostgreSQL is told with each LIMIT how many there are: it takes tables that are filled and emptied all the time for
# full ones, and would sort all plays for the sake of a handful of days. And no GROUP BY instead of the union, which it
# takes for a tenth of its rows: it would look up a million days one by one.
_HISTORIES: Final = (
    "(SELECT user_id, song_id FROM stale_histories WHERE charts_only IS NOT TRUE LIMIT :histories) AS incoming"
)
_DAYS: Final = f"""
    SELECT user_id, day FROM (
        SELECT user_id, day FROM stale_days UNION SELECT user_id, day FROM ({days_of_histories(_HISTORIES)}) AS touched
    ) AS marked WHERE day BETWEEN :first AND :last
"""
_COUNT: Final = Statement(
    f"""
    SELECT {{preferred}} AS zone, count(*) AS days, min(day) AS earliest, max(day) AS latest
      FROM ({_DAYS}) AS waiting LEFT JOIN preferences AS preferred
        ON preferred.user_id = waiting.user_id AND preferred.key = 'timezone'
     GROUP BY zone
    """,
    {},
    _WORDS,
)
_WAITING: Final = Statement(f"{_DAYS} LIMIT :days", {}, _WORDS)
# Local time is told from what stands on the side of the play, so that plays and days can be hashed by it; the bounds
# are for a few days, whose plays are found by an index. Nothing is added up: whoever asks adds up what it needs, which
# is never an hour or a song of each user's day.
_PLAYS: Final = Statement(
    counted(
        """waiting
          JOIN play_history AS play ON play.user_id = waiting.user_id
           AND play.played_at >= {a_day_before} AND play.played_at < {two_days_after}
          LEFT JOIN preferences AS preferred ON preferred.user_id = play.user_id AND preferred.key = 'timezone'
          LEFT JOIN {rows} ON incoming.zone = {preferred}
           AND play.played_at >= incoming.starts_at AND play.played_at < incoming.ends_at""",
        "{local_day} = waiting.day",
    )
    + """
    SELECT user_id, day, hour, 1 AS plays, CASE WHEN is_listen THEN 1 ELSE 0 END AS listens,
           coalesce(ms_played, 0) AS ms_played, song_id
      FROM counted
    """,
    ZONE_COLUMNS,
    _WORDS,
)


@dataclass(frozen=True)
class Backlog:
    """Everybody's days that wait, and their plays, to be named in statements of the snapshot they were counted in."""

    days: CTE
    plays: CTE

    @classmethod
    def of(cls, connection: Connection, first: date, last: date, rule: ListenRule) -> "Backlog | None":
        """What waits of the days from `first` to `last`, if anything does.

        `days` has rows of `user_id` and `day`, each once; `plays` a row for each play of these days, with the columns
        of both rollups as if it were the only one. Costs a look at each mark, and at the plays of histories that wait.
        """
        whole = select(func.count()).select_from(StaleHistory).where(StaleHistory.charts_only.is_not(True))
        asked: dict[str, Any] = {"first": first, "last": last, "histories": connection.scalar(whole)}
        count = _COUNT.bound(connection, **asked).columns(zone=Text, days=Integer, earliest=Date, latest=Date)
        counts = connection.execute(count).all()
        if not counts:
            return None
        marked = _WAITING.bound(connection, **asked, days=sum(each.days for each in counts))
        days = marked.columns(StaleDay.user_id, StaleDay.day).cte("waiting")
        zones = (row for each in counts for row in zone_rows(each.zone, each.earliest, each.latest))
        bound = _PLAYS.bound(connection, zones, **rule.as_parameters())
        plays = bound.columns(*columns_of(ListeningHour), SongDay.song_id).add_cte(days).cte("waiting_plays")
        # Where they are named once, SQLite would look for them anew for each song: half a minute instead of a second.
        return cls(days, plays.prefix_with("MATERIALIZED"))
