"""Answers about years read sums, and say the same as without them, whatever was corrected since they were computed."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine, delete, func, insert, select, update

from tests.support.events import play, song
from tests.support.rollup_rows import RULE, record
from worker.database.engine import snapshot, transaction
from worker.models import DaySum, Song, SubjectSum, SummedStretch, Track
from worker.statistics import (
    By,
    Period,
    Subject,
    UserListening,
    days,
    find_listener,
    listened,
    listens_of,
    rank,
    search,
    span,
    streaks,
    totals,
)
from worker.statistics.questions.sources import cover
from worker.statistics.rollups.sweep import refresh
from worker.statistics.verify import verify

YEARS = (2019, 2020, 2021)
TODAY = date(2021, 6, 1)


def at(day: str, title: str, **changes: Any) -> dict[str, Any]:
    facts = {"title": title, "artist": "Tool", "album": "Lateralus", "duration_ms": 60_000} | changes
    return play(time=f"{day}T12:00:00Z", song=song(**facts), ms_played=60_000)


@pytest.fixture
def summed(engine: Engine) -> Engine:
    """Three years, each with other favourites, and a guest; one song is heard in all of them."""
    listened = ("2019-02-01", "2019-02-02", "2020-03-01", "2020-12-31", "2021-01-01", "2021-05-31")
    others = [
        at(day, f"Song {number}", artist=f"Artist {number % 2}", album="Rest") for number, day in enumerate(listened)
    ]
    duet = at("2020-05-01", "Duet", artist="A & B", artists=["A", "B"], album_artist="A")
    record(engine, *(at(day, "Parabola") for day in listened), *others, duet)
    refresh(engine, RULE)
    assert stretches(engine) == 1 + len(YEARS)
    return engine


def stretches(engine: Engine) -> int:
    with snapshot(engine) as session:
        return session.scalars(select(func.count()).select_from(SummedStretch)).one()


def answers(engine: Engine) -> list[Any]:
    with snapshot(engine) as session:
        connection = session.connection()
        user = UserListening(connection, find_listener(connection, "ada").id, RULE)
        spans = [span(Period.ALL, TODAY), *(span(Period.YEAR, date(year, 1, 1)) for year in YEARS)]
        found: list[Any] = [search(user, text, most=9) for text in ("song", "a", "late")]
        for each in spans:
            found += [
                totals(user, each),
                listened(user, each),
                days(user, each.first, each.last),
                streaks(user, each, today=TODAY),
            ]
            for subject in Subject:
                places = rank(user, subject, each, most=50)
                found += [places, *(rank(user, subject, each, most=2, by=by) for by in By)]
                found.append(listens_of(user, subject, each, [place.identity for place in places]))
    return found


def without_sums(engine: Engine) -> list[Any]:
    with transaction(engine) as session:
        kept = [dict(row) for row in session.execute(select(*SummedStretch.__table__.c)).mappings()]
        session.execute(delete(SummedStretch))
    found = answers(engine)
    if kept:
        with transaction(engine) as session:
            session.execute(insert(SummedStretch), kept)
    return found


def _nothing(_: Engine) -> None:
    pass


def _today(engine: Engine) -> None:
    record(engine, at("2021-06-01", "Parabola"), at("2021-06-01", "New"))


def _long_ago(engine: Engine) -> None:
    record(engine, at("2019-02-01", "Found again"), at("2019-07-01", "Found again"))


def _renamed(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(update(Song).where(Song.title == "Song 1").values(artist="Tool"))


def _other_album(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(update(Track).where(Track.album == "Rest").values(album="Lateralus", album_artist="Tool"))


def _song_deleted(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(delete(Song).where(Song.title == "Song 2"))


@pytest.mark.parametrize("change", [_nothing, _today, _long_ago, _renamed, _other_album, _song_deleted])
def test_answers_are_the_same_with_and_without_sums(summed: Engine, change: Callable[[Engine], None]) -> None:
    change(summed)
    assert answers(summed) == without_sums(summed)
    refresh(summed, RULE)
    assert answers(summed) == without_sums(summed)
    assert verify(summed, RULE).exact


def test_a_late_play_forgets_the_sums(summed: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    _long_ago(summed)
    monkeypatch.setattr("worker.statistics.rollups.sweep.sum_up", lambda *_: iter(()))
    refresh(summed, RULE)
    assert stretches(summed) == 0


def test_sums_are_read(summed: Engine) -> None:
    """Else all of the above compares days with days."""
    before = answers(summed)
    with transaction(summed) as session:
        session.execute(update(SubjectSum).values(plays=SubjectSum.plays + 1))
    assert answers(summed) != before


@pytest.mark.parametrize("table", [SubjectSum, DaySum])
def test_a_wrong_sum_is_a_difference(summed: Engine, table: type[SubjectSum] | type[DaySum]) -> None:
    with transaction(summed) as session:
        session.execute(update(table).values(listens=table.listens + 1))
    assert {each.where.partition(":")[0] for each in verify(summed, RULE).differences} == {table.__tablename__}


@pytest.mark.parametrize("subject", Subject)
def test_a_missing_sum_is_a_difference(summed: Engine, subject: Subject) -> None:
    with transaction(summed) as session:
        session.execute(delete(SubjectSum).where(SubjectSum.subject == subject.value))
    differences = verify(summed, RULE).differences
    assert {each.where.partition(" of")[0] for each in differences} == {f"subject_sums: {subject}s"}
    assert {each.found for each in differences} == {"0 others"}


def test_a_short_history_has_no_sums(summed: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.statistics.rollups.sums.WORTH_SUMMING", 100)
    _long_ago(summed)
    refresh(summed, RULE)
    assert stretches(summed) == 0


def test_the_longest_stretches_cover_a_span() -> None:
    first, second, third = date(2019, 1, 1), date(2020, 1, 1), date(2021, 1, 1)
    ever = (date.min, date(2020, 12, 31))
    years = [(first, date(2019, 12, 31)), (second, date(2020, 12, 31))]
    whole = (date.min, date.max)
    assert cover([*years, ever], whole, []) == ([ever], [(third, date.max)])
    waits = [date(2019, 5, 5)]
    assert cover([*years, ever], whole, waits) == ([years[1]], [(date.min, date(2019, 12, 31)), (third, date.max)])
    assert cover(years, (second, date(2020, 12, 31)), []) == ([years[1]], [])
    assert cover([ever], (second, third), []) == ([], [(second, third)])
