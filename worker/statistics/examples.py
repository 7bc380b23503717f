"""The statistics SQL with example values, ready to paste into psql or sqlite3."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ClauseElement, create_engine, event
from sqlalchemy.dialects import registry

from worker.models import Base
from worker.statistics.charts import chart
from worker.statistics.listen_rule import ListenRule
from worker.statistics.periods import Period, span
from worker.statistics.questions.comebacks import artist_comebacks, song_comebacks
from worker.statistics.questions.days import days, listened
from worker.statistics.questions.discoveries import count_discoveries, discoveries
from worker.statistics.questions.heard import heard, listens_of
from worker.statistics.questions.named_albums import named_albums
from worker.statistics.questions.song_days import days_of_song
from worker.statistics.questions.sources import UserListening
from worker.statistics.questions.stayed import stayed_discoveries
from worker.statistics.questions.streaks import streaks
from worker.statistics.questions.subjects import Subject
from worker.statistics.questions.top import rank
from worker.statistics.questions.totals import totals
from worker.statistics.questions.week_hours import week_hours
from worker.statistics.statements import NAMES, Name, sections

_PARAMETER: Final = re.compile(r"(?<!:):(\w+)")
_WRITES: Final = re.compile(r"^\s*(?:INSERT|UPDATE|DELETE)\b", re.MULTILINE)
# So that a statement that writes changes nothing when it is pasted.
_EXPLAIN: Final = {"postgresql": "EXPLAIN", "sqlite": "EXPLAIN QUERY PLAN"}

_DAY: Final = "2026-11-23"
_MARK: Final = "0193564a000070008000000000000000"
_STRETCH: Final = {"starts_at": "2026-11-22 00:00:00", "ends_at": "2026-11-25 00:00:00", "offset_minutes": 60}
_WINDOW: Final = {"user_id": 1, "first_day": _DAY, "last_day": _DAY, **_STRETCH}
_SUMS: Final = {"plays": 1, "listens": 1, "ms_played": 180_000}
_CHARTED: Final = {"day": _DAY, "starts_on": _DAY}
_ROWS: Final[Mapping[Name, Mapping[str, Any]]] = {
    "compute_days": _WINDOW,
    "user_hours": _WINDOW,
    "user_songs": _WINDOW,
    "user_rows": _WINDOW,
    "given_hours": {"user_id": 1, "day": _DAY, "hour": 20, **_SUMS},
    "given_songs": {"user_id": 1, "day": _DAY, "song_id": 1, "track_id": 0, **_SUMS},
    "second_reports": _WINDOW,
    "user_listens": _WINDOW,
    "joined_days": _WINDOW,
    "short_plays": _WINDOW,
    "waiting_plays": {"zone": "Europe/Berlin", **_STRETCH},
    "clear_stale_days": {"user_id": 1, "day": _DAY},
    "mark_days_of_histories": {"user_id": 1, "song_id": None, "mark": _MARK, "since": f"{_DAY} 12:00:00"},
    "mark_charts_of_songs": {"song_id": 1},
    "mark_charts": {"day": _DAY, "mark": _MARK},
    "forget_sums": {"user_id": 1, "day": _DAY},
    "forget_sums_of_songs": {"song_id": 1},
    "users_to_sum": {"user_id": 1},
    "sum_stretches": {"user_id": 1, "first_day": "2026-01-01", "last_day": _DAY},
    "file_songs": {"id": 1, "artist_identity": _MARK, "twin_identity": _MARK},
    "link_twins": {"twin_identity": _MARK, "head_id": 1, "into_id": None, "end_id": None},
    "file_tracks": {"id": 1, "album_identity": _MARK},
    "compare_days": {"user_id": 1, **_STRETCH},
    "compare_sums": {"user_id": 1},
    "compare_song_charts": _CHARTED,
    "compare_artist_charts": _CHARTED,
    "compare_album_charts": _CHARTED,
}
_PARAMETERS: Final[Mapping[str, str | int]] = {
    "windows": 1,
    "given": 1,
    "histories": 1,
    "most": 1,
    "days": 1,
    "first": date.min.isoformat(),
    "last": date.max.isoformat(),
    "mark": _MARK,
    "pattern": "% tool%",
    "subject": "song",
    "period": "day",
    "length": 500,
}


_Ask = Callable[[UserListening], object]
_MONTH: Final = span(Period.MONTH, date(2026, 11, 23))


def _top(subject: Subject) -> _Ask:
    return lambda user: rank(user, subject, _MONTH, most=10)


_QUESTIONS: Final[Mapping[str, _Ask]] = {
    "totals: plays, listens, songs, artists and days of a month": lambda user: totals(user, _MONTH),
    **{f"top: the first ten {subject}s of a month": _top(subject) for subject in Subject},
    "chart: the first ten songs of a month for everyone": lambda user: chart(
        user.connection, Subject.SONG, _MONTH, most=10
    ),
    "listened: plays, listens and time of a month": lambda user: listened(user, _MONTH),
    "days: each day of a month": lambda user: days(user, _MONTH.first, _MONTH.last),
    "week_hours: each hour of the week in a month": lambda user: week_hours(user, _MONTH),
    "streaks: the days with a listen in a month": lambda user: streaks(user, _MONTH, today=_MONTH.last),
    "discoveries: the latest ten of a month": lambda user: discoveries(user, _MONTH, most=10),
    "count_discoveries: how many on each day of a month": lambda user: count_discoveries(user, Period.DAY, _MONTH),
    "stayed_discoveries: the ten heard most of a month": lambda user: stayed_discoveries(user, _MONTH, most=10),
    "artist_comebacks: the first ten artists of a month": lambda user: artist_comebacks(user, _MONTH, most=10),
    "song_comebacks: the first ten songs of a month": lambda user: song_comebacks(user, _MONTH, most=10),
    "named_albums: the listens of a month that name one": lambda user: named_albums(user, _MONTH),
    "listens_of: the listens of an artist in a month": lambda user: listens_of(
        user, Subject.ARTIST, _MONTH, [UUID(_MARK)]
    ),
    "heard: the tracks that count for an artist": lambda user: heard(user, Subject.ARTIST, UUID(_MARK)),
    "days_of_song: the days of a song in a month": lambda user: days_of_song(user, "Tool", "Parabola", _MONTH),
}


def examples(dialect: str, rule: ListenRule) -> Iterator[str]:
    """Each statement with its name, in the SQL of a dialect. A statement that writes is only explained."""
    for name in NAMES:
        comment = "\n".join(f"-- {line}" for line in (name, *sections(dialect)[name].description.splitlines()))
        yield "\n".join([comment, *(f"{command};" for command in _commands(dialect, name, rule))])
    # Other parameter styles double each percent sign.
    plain = registry.load(dialect)(paramstyle="named")
    for question, statement in _questions(rule).items():
        sql = statement.compile(dialect=plain, compile_kwargs={"literal_binds": True})
        yield f"-- {question}. If no day waits for a sweep.\n{sql};"


def _questions(rule: ListenRule) -> Mapping[str, ClauseElement]:
    """The statement of each question, taken from asking an empty database in memory."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    statements: dict[str, ClauseElement] = {}
    with engine.connect() as connection:
        for question, ask in _QUESTIONS.items():

            def remember(_: object, statement: ClauseElement, *__: object, question: str = question) -> None:
                statements[question] = statement

            event.listen(connection, "before_execute", remember)
            # The last statement is the question. Those before it look for days that wait.
            ask(UserListening(connection, 1, rule))
            event.remove(connection, "before_execute", remember)
    engine.dispose()
    return statements


def _commands(dialect: str, name: Name, rule: ListenRule) -> Iterator[str]:
    values: dict[str, str | int] = {**_PARAMETERS, **rule.as_parameters(), "rows": json.dumps([_ROWS.get(name, {})])}
    for command in sections(dialect)[name].commands:
        sql = _PARAMETER.sub(lambda found: _literal(values[found[1]]), command)
        if name == "waiting_plays":
            (waiting,) = _commands(dialect, "waiting_days", rule)
            sql = f"WITH waiting AS (\n{waiting}\n)\nSELECT * FROM (\n{sql}\n) AS waiting_plays"
        yield f"{_EXPLAIN[dialect]}\n{sql}" if _WRITES.search(command) else sql


def _literal(value: str | int) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
