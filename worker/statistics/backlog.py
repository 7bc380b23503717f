"""What the rollups of everyone lack: the days that wait to be computed, and the plays of these days."""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, Date, Integer, Subquery, func, select

from worker.models import StaleDay, StaleHistory
from worker.recorders.rows import Statement
from worker.statistics.listen_rule import ListenRule
from worker.statistics.local_time import LOCAL_WORDS, ZONE_COLUMNS, bounds_of, zone_rows
from worker.statistics.rollups import KEYS, Rollup, columns_of, counted
from worker.statistics.waiting import SHIFTED_WORDS, days_of_histories

_WORDS: Final = {
    "postgresql": {
        **SHIFTED_WORDS["postgresql"],
        **LOCAL_WORDS["postgresql"],
        "preferred": "preferred.value #>> '{}'",
        "a_day_before": "CAST(waiting.day - 1 AS timestamptz)",
        "two_days_after": "CAST(waiting.day + 2 AS timestamptz)",
    },
    "sqlite": {
        **SHIFTED_WORDS["sqlite"],
        **LOCAL_WORDS["sqlite"],
        "preferred": "preferred.value ->> '$'",
        "a_day_before": "date(waiting.day, '-1 day')",
        "two_days_after": "date(waiting.day, '2 days')",
    },
}
# PostgreSQL is told with each LIMIT how many there are: it takes tables that are filled and emptied all the time for
# full ones, and would sort all plays for the sake of a handful of days, or look up a million days one by one.
_HISTORIES: Final = (
    "(SELECT user_id, song_id FROM stale_histories WHERE charts_only IS NOT TRUE LIMIT :histories) AS incoming"
)
_DAYS: Final = f"""
    SELECT user_id, day FROM (
        SELECT user_id, day FROM stale_days UNION SELECT user_id, day FROM ({days_of_histories(_HISTORIES)}) AS touched
    ) AS waiting WHERE day BETWEEN :first AND :last
"""
_COUNT: Final = Statement(
    f"SELECT count(*) AS days, min(day) AS earliest, max(day) AS latest FROM ({_DAYS}) AS waiting", {}, _WORDS
)
_WAITING: Final = Statement(f"{_DAYS} LIMIT :days", {}, _WORDS)
# Local time is told from what stands on the side of the play, so that plays and days can be hashed by it; the bounds
# are for a few days, whose plays are found by an index.
_COUNTED: Final = counted(
    f"""({_DAYS} LIMIT :days) AS waiting
          JOIN play_history AS play ON play.user_id = waiting.user_id
           AND play.played_at >= {{a_day_before}} AND play.played_at < {{two_days_after}}
          LEFT JOIN preferences AS preferred ON preferred.user_id = play.user_id AND preferred.key = 'timezone'
          LEFT JOIN {{rows}} ON incoming.zone = {{preferred}}
           AND play.played_at >= incoming.starts_at AND play.played_at < incoming.ends_at""",
    "{local_day} = waiting.day",
)
# Not added up: whoever asks adds up what it needs, which is never an hour or a song of each user's day.
_PLAYS: Final = {
    rollup: Statement(
        f"""{_COUNTED} SELECT user_id, day, {key}, 1 AS plays, CASE WHEN is_listen THEN 1 ELSE 0 END AS listens,
                              coalesce(ms_played, 0) AS ms_played FROM counted""",
        ZONE_COLUMNS,
        _WORDS,
    )
    for rollup, key in KEYS.items()
}


@dataclass(frozen=True)
class Backlog:
    """Everybody's days from `first` to `last` that wait, of the snapshot in which they were counted.

    `days` is their number, `histories` that of the users and songs all of whose days are among them.
    """

    connection: Connection
    first: date
    last: date
    histories: int
    days: int

    @classmethod
    def of(cls, connection: Connection, first: date, last: date) -> "Backlog | None":
        """What waits, if anything does. Costs a look at each mark, and at the plays of histories that wait."""
        waiting = StaleHistory.charts_only.is_not(True)
        histories = connection.scalar(select(func.count()).select_from(StaleHistory).where(waiting)) or 0
        count = _COUNT.bound(connection, first=first, last=last, histories=histories)
        days, earliest, latest = connection.execute(count.columns(days=Integer, earliest=Date, latest=Date)).one()
        return cls(connection, earliest, latest, histories, days) if days else None

    def user_days(self) -> Subquery:
        """Rows of `user_id` and `day`, each once."""
        return _WAITING.bound(self.connection, **self._parameters()).columns(StaleDay.user_id, StaleDay.day).subquery()

    def plays(self, rollup: Rollup, rule: ListenRule) -> Subquery:
        """A row for each play of these days, with the columns of a rollup that has this play alone."""
        zones = zone_rows(self.connection, *bounds_of(self.first, self.last))
        statement = _PLAYS[rollup].bound(self.connection, zones, **self._parameters(), **rule.as_parameters())
        return statement.columns(*columns_of(rollup)).subquery()

    def _parameters(self) -> dict[str, Any]:
        return {"first": self.first, "last": self.last, "histories": self.histories, "days": self.days}
