"""After any sequence of plays, corrections and interrupted sweeps, the rollups equal a recount."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.orm import Session

from tests.support import brute_force
from tests.support.events import event_id, play, preference, song
from tests.support.rollup_rows import RULE, assert_exact, emptied, record, rollups_of_everyone, rollups_of_user
from worker.contract.identity import artist_identity
from worker.contract.timezones import can_be_timezone
from worker.database.engine import snapshot, transaction
from worker.models import PlayHistory, Preference, Song, Track, User
from worker.statistics import ListenRule, Period, Subject, chart, refresh_charts, span
from worker.statistics.rollups import compute as rollups
from worker.statistics.rollups.marks import mark_all
from worker.statistics.rollups.sweep import refresh
from worker.statistics.verify import verify

USERS = ("ada", "bob")
TODAY = date(2021, 10, 31)
# The hours around which a local day begins in some timezone, or clocks are set.
TIMES = st.builds(
    "{}T{}:30:00{}".format,
    st.sampled_from(("2021-03-28", "2021-10-30", "2021-10-31", "2021-11-01")),
    st.sampled_from(("00", "01", "04", "12", "23")),
    st.sampled_from(("Z", "+02:00", "-11:00", "+14:00")),
)
ZONES = st.sampled_from((None, "Europe/Vienna", "America/New_York", "Pacific/Kiritimati", "nowhere"))
# No client sends the last title. Songs get it by a correction.
TITLES = st.sampled_from(("a", "b", "c"))
ALBUMS = st.sampled_from((None, "x", "y"))
NAMES = st.fixed_dictionaries({"title": TITLES}) | st.fixed_dictionaries({"artist": st.sampled_from(("Tool", "Tol"))})
SONGS = st.builds(
    lambda title, duration, album: song(title=title, duration_ms=duration or ..., album=album or ...),
    st.sampled_from(("a", "b")),
    st.sampled_from((None, None, 60_000, 2_000_000_000)),
    ALBUMS,
)
PLAYS = st.builds(
    lambda number, user, time, of, ms: play(id=event_id(number), user=user, time=time, song=of, ms_played=ms),
    st.integers(1, 30),
    st.sampled_from(USERS),
    TIMES,
    SONGS,
    st.sampled_from((None, 0, 29_999, 30_000, 31_000, 600_000, 1_999_999_999)),
)
TIMEZONES = st.builds(
    # The contract refuses a timezone that is none; a preference that is renamed may become one.
    lambda user, value, time: preference(
        user=user, key="timezone" if can_be_timezone(value) or value is None else "tz", value=value, time=time
    ),
    st.sampled_from(USERS),
    ZONES,
    TIMES,
)
# Each rule counts some of the plays above that another rule does not.
RULES = st.sampled_from((RULE, ListenRule(percent=100, enough_s=601), ListenRule(unknown_s=31), ListenRule(enough_s=9)))
BATCHES = st.lists(PLAYS | TIMEZONES, min_size=1, max_size=6)
Step = tuple[str, Any]
DURATIONS = st.fixed_dictionaries({"duration_set_ms": st.sampled_from((None, 60_000, 600_000))})
SONG_CORRECTIONS = (
    st.tuples(st.just("rename"), TITLES, NAMES)
    | st.tuples(st.just("set a duration"), TITLES, DURATIONS)
    | st.tuples(st.just("count as another"), TITLES, TITLES)
    | st.tuples(st.just("change albums"), TITLES, st.fixed_dictionaries({"album": ALBUMS}))
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("record"), BATCHES),
        st.tuples(st.just("record"), BATCHES),
        st.tuples(st.just("delete a play"), st.integers(0, 9)),
        st.tuples(st.just("delete a song"), st.sampled_from(("a", "b"))),
        st.tuples(st.just("delete a user"), st.sampled_from(USERS)),
        st.tuples(st.just("shorten a play"), st.integers(0, 9)),
        st.tuples(st.just("correct a song"), SONG_CORRECTIONS),
        st.tuples(st.just("rename a preference"), st.permutations(("timezone", "tz"))),
        st.tuples(st.just("refresh"), st.none()),
        st.tuples(st.just("refresh a little"), st.none()),
        st.tuples(st.just("die while refreshing"), st.none()),
        st.tuples(st.just("draw charts"), st.booleans()),
        st.tuples(st.just("recompute"), RULES),
    ),
    min_size=1,
    max_size=12,
)


class Killed(BaseException):
    """Rolls the transaction back, as a SIGKILL does."""


def nth_play(session: Session, number: int) -> Any:
    return session.scalar(
        select(PlayHistory.id).order_by(PlayHistory.played_at, PlayHistory.id).offset(number).limit(1)
    )


def dies(*_: Any) -> None:
    raise Killed


def correct_song(session: Session, kind: str, title: str, values: Any) -> None:
    of_title = update(Song).where(Song.title == title)
    match kind:
        case "rename" | "set a duration":
            session.execute(of_title.values(**values))
        case "change albums":
            of_song = select(Song.id).where(Song.title == title)
            session.execute(update(Track).where(Track.song_id.in_(of_song)).values(**values))
        case "count as another":
            target = select(func.min(Song.id)).where(Song.title == values).scalar_subquery()
            session.execute(of_title.where(Song.id != target).values(counts_as_id=target))


def correct(session: Session, kind: str, what: Any) -> None:
    match kind:
        case "delete a play":
            session.execute(delete(PlayHistory).where(PlayHistory.id == nth_play(session, what)))
        case "shorten a play":
            session.execute(update(PlayHistory).where(PlayHistory.id == nth_play(session, what)).values(ms_played=1))
        case "delete a song":
            session.execute(delete(Song).where(Song.title == what))
        case "delete a user":
            session.execute(delete(User).where(User.username == what))
        case "correct a song":
            correct_song(session, *what)
        case "rename a preference":
            was, becomes = what
            # A preference key is unique for each user.
            session.execute(delete(Preference).where(Preference.key == becomes))
            session.execute(update(Preference).where(Preference.key == was).values(key=becomes))
        case "recompute":
            mark_all(session.connection())


def take(engine: Engine, kind: str, what: Any, rule: ListenRule) -> None:
    match kind:
        case "record":
            events: list[Mapping[str, Any]] = what
            record(engine, *events)
        case "refresh":
            refresh(engine, rule)
        case "refresh a little":
            refresh(engine, rule, budget_s=0, days_at_once=1)
        case "die while refreshing":
            with pytest.MonkeyPatch.context() as patch, suppress(Killed):
                patch.setattr(rollups, "hit", dies)
                refresh(engine, rule, days_at_once=2)
        case "draw charts":
            refresh_charts(engine, today=TODAY, closed=what)
        case _:
            with transaction(engine) as session:
                correct(session, kind, what)


def assert_filed(engine: Engine) -> None:
    """Every song is filed under its current names."""
    with snapshot(engine) as session:
        for each in session.scalars(select(Song)):
            assert each.artist_identity == UUID(artist_identity(each.artist))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(STEPS)
def test_rollups_equal_a_recount_after_anything(engine: Engine, steps: list[Step]) -> None:
    emptied(engine)
    rule = RULE
    for kind, what in steps:
        rule = what if kind == "recompute" else rule
        take(engine, kind, what, rule)
        # At any time, days without a mark are exact, and so are the answers about a user and about everyone.
        assert verify(engine, rule).differences == []
        wanted = brute_force.rollups(engine, **vars(rule))
        for user_id in brute_force.users(engine):
            assert rollups_of_user(engine, user_id, rule) == wanted.of(user_id)
        assert rollups_of_everyone(engine, rule) == wanted
    refresh(engine, rule)
    assert_exact(engine, rule)
    assert_filed(engine)
    refresh_charts(engine, today=TODAY, closed=True)
    comparison = verify(engine, rule)
    assert (comparison.waiting, comparison.differences) == (0, [])
    for period in Period:
        charted = span(period, TODAY)
        with transaction(engine) as session:
            places = chart(session.connection(), Subject.SONG, charted, most=100)
        assert [
            (each.place, each.artist, each.title, each.plays, each.listens, each.ms_played, each.listeners)
            for each in places
        ] == brute_force.song_chart(engine, charted, **vars(rule))


SECONDS = st.integers(0, 700) | st.just(24 * 86_400)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BATCHES, st.integers(0, 100), SECONDS, SECONDS)
def test_any_rule_counts_as_a_recount_does(
    engine: Engine, batch: list[Mapping[str, Any]], percent: int, enough_s: int, unknown_s: int
) -> None:
    rule = ListenRule(percent, enough_s, unknown_s)
    record(emptied(engine), *batch)
    refresh(engine, rule)
    assert_exact(engine, rule)
