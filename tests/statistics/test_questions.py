"""Each question against plain Python, over plays around midnight, the year's end, the leap day and DST changes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, select

from tests.support.events import NOW, accepted, play, preference, song
from tests.support.plain_statistics import Name, Plain, PlainPlace, PlainPlay, canonical, is_listen, local_time, per
from tests.support.rollup_rows import store_timezone
from tests.support.strategies import ON_DATABASE, undone
from worker.contract.identity import song_identity
from worker.database.engine import snapshot, transaction
from worker.errors import UnknownUserError
from worker.models import User
from worker.recorders.batch import record_batch
from worker.recorders.known import Known
from worker.statistics import (
    By,
    GlobalListening,
    Listening,
    ListenRule,
    Period,
    Place,
    Span,
    Subject,
    UserListening,
    chart,
    count_discoveries,
    days,
    discoveries,
    find_listener,
    rank,
    refresh_charts,
    span,
    streaks,
    top,
    totals,
    week_hours,
)
from worker.statistics.drawing import draw as draw_charts
from worker.statistics.rollups.compute import compute_days
from worker.statistics.rollups.marks import claim, stale_days
from worker.statistics.rollups.sweep import refresh

USERS = ("ada", "bob")
ZONES = (None, "Europe/Berlin", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago")
SONGS: tuple[dict[str, Any], ...] = (
    {"title": "Parabola", "artist": "Tool"},
    {"title": "Schism", "artist": "TOOL"},
    {"title": "Parabola", "artist": "Low"},
    {"title": "Lateralus", "artist": "Low"},
)
# What a client says of a song with one play, and another with the next.
TOLD: tuple[dict[str, Any], ...] = (
    {},
    {"album": "Lateralus", "duration_ms": 183_000},
    {"album": "lateralus", "duration_ms": 600_000},
    {"album": "Live", "artists": ["Low", "Tool"], "duration_ms": 999},
    {"album": "Lateralus", "artists": ["Tool", "Tomte"], "album_artist": "Various", "duration_ms": 86_400_001},
    {"artists": ["Tomte", "TOMTE", "Low"], "duration_ms": 1_000},
)
# The days before and after a year's end of 53 weeks, a leap day, and both DST changes of Berlin; New York's differ.
STARTS = tuple(
    datetime.fromisoformat(start).replace(tzinfo=UTC)
    for start in ("2020-12-26", "2024-02-27", "2024-03-09", "2024-03-29", "2024-10-25", "2024-12-28")
)
MINUTES = 6 * 24 * 60
OFFSETS = (None, None, -720, -210, 0, 60, 120, 345, 840)
HEARD_MS = (None, 0, 29_999, 30_000, 91_499, 91_500, 239_999, 240_000, 600_000)
ALL = span(Period.ALL, NOW.date())
PARABOLA = UUID(song_identity("Tool", "Parabola"))


@dataclass(frozen=True)
class History:
    """Events, and the same plays in plain Python."""

    events: list[dict[str, Any]]
    plain: Plain


class Scope(NamedTuple):
    """A user or everyone, and the third of the days that a sweep computes before the question, else all days."""

    user: str | None
    third: int | None = None


THIRDS = st.sampled_from((None, 0, 1, 2))
ADA = st.builds(Scope, st.just("ada"), THIRDS)
ANY_SCOPE = ADA | st.just(Scope("bob")) | st.builds(Scope, st.none(), THIRDS)


def _written(at: datetime, offset_minutes: int | None) -> str:
    if offset_minutes is None:
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return local_time(at, offset_minutes, None).isoformat()


@st.composite
def histories(draw: st.DrawFn) -> History:
    preferred = {user: draw(st.sampled_from(ZONES)) for user in USERS}
    preferences = [preference(user=user, key="timezone", value=zone) for user, zone in preferred.items() if zone]
    events, played = preferences, {}
    for _ in range(draw(st.integers(0, 30))):
        user, song = draw(st.sampled_from(USERS)), draw(st.sampled_from(SONGS)) | draw(st.sampled_from(TOLD))
        at = draw(st.sampled_from(STARTS)) + timedelta(minutes=draw(st.integers(0, MINUTES)))
        offset, ms_played = draw(st.sampled_from(OFFSETS)), draw(st.sampled_from(HEARD_MS))
        key = (user, at, song["title"], song["artist"])
        if key in played:
            continue
        played[key] = PlainPlay(
            user,
            local_time(at, offset, preferred[user]),
            song["artist"],
            song["title"],
            song.get("album"),
            ms_played,
            is_listen(ms_played, song.get("duration_ms")),
            tuple(song.get("artists", ())),
            song.get("album_artist"),
        )
        length = {} if ms_played is None else {"ms_played": ms_played}
        events.append(play(user=user, song=song, time=_written(at, offset), **length))
    return History(events, Plain(list(played.values())))


periods = st.just(ALL) | st.builds(
    span,
    st.sampled_from(list(Period)),
    st.builds(lambda start, after: start.date() + timedelta(after), st.sampled_from(STARTS), st.integers(0, 6)),
)


@contextmanager
def stored(engine: Engine, history: History, scope: Scope) -> Iterator[Listening]:
    """Record and compute the events of one example. Yields the listening of the scope."""
    with undone(engine) as connection:
        if history.events:
            record_batch(connection, accepted(*history.events), known=Known())
        stale = stale_days(connection, after=(0, date.min), until=(10**6, date.max), most=10_000)
        swept = [day for day in stale if scope.third in (None, day[1].toordinal() % 3)]
        compute_days(connection, claim(connection, swept), ListenRule())
        # A user without events has no id.
        user_id = connection.scalar(select(User.id).where(User.username == scope.user)) or -1
        yield (
            UserListening(connection, user_id, ListenRule())
            if scope.user
            else GlobalListening(connection, ListenRule())
        )


def of_one(listening: Listening) -> UserListening:
    assert isinstance(listening, UserListening)
    return listening


def _name(place: Place) -> Name:
    return Name(canonical(place.artist), None if place.title is None else canonical(place.title))


def found(places: Sequence[Place]) -> list[PlainPlace]:
    assert [place.place for place in places] == list(range(1, len(places) + 1))
    return [
        PlainPlace(_name(place), place.plays, place.listens, place.ms_played, place.listeners, place.identity)
        for place in places
    ]


@pytest.mark.parametrize("subject", Subject)
@ON_DATABASE
@given(histories(), ANY_SCOPE, st.tuples(periods, st.integers(1, 4), st.sampled_from(By)))
def test_places_are_those_of_a_recount(
    engine: Engine, subject: Subject, history: History, scope: Scope, asked: tuple[Span, int, By]
) -> None:
    wanted, most, by = asked
    with stored(engine, history, scope) as listening:
        places = rank(listening, subject, wanted, most=most, by=by)
    assert found(places) == history.plain.of(scope.user, wanted).places(subject, by)[:most]


@ON_DATABASE
@given(histories(), periods)
def test_charts_are_drawn_as_everyone_is_ranked(engine: Engine, history: History, wanted: Span) -> None:
    with stored(engine, history, Scope(None)) as listening:
        draw_charts(listening.connection, [wanted])
        drawn = {subject: found(chart(listening.connection, subject, wanted, most=9)) for subject in Subject}
    assert drawn == {subject: history.plain.of(None, wanted).places(subject)[:9] for subject in Subject}


def answers(listening: UserListening) -> dict[str, Any]:
    """All that is said of a user: each ranking, the totals, the days and the first listens."""
    every = {f"{subject} by {by}": rank(listening, subject, ALL, most=9, by=by) for subject in Subject for by in By}
    lists = (days(listening, ALL.first, ALL.last), discoveries(listening, ALL, most=9), week_hours(listening, ALL))
    return {**every, "totals": totals(listening, ALL), "lists": lists}


@ON_DATABASE
@given(histories(), THIRDS)
def test_answers_about_a_user_depend_on_no_other_user(engine: Engine, history: History, third: int | None) -> None:
    own = [event for event in history.events if event["user"] == "ada"]
    others = [event for event in history.events if event["user"] != "ada"]
    with stored(engine, History(own, history.plain), Scope("ada", third)) as listening:
        before = answers(of_one(listening))
        if others:
            record_batch(listening.connection, accepted(*others), known=Known())
        assert answers(of_one(listening)) == before


@ON_DATABASE
@given(histories(), st.randoms(use_true_random=False), ANY_SCOPE)
def test_places_do_not_depend_on_the_order_of_arrival(
    engine: Engine, history: History, random: Random, scope: Scope
) -> None:
    rankings = []
    for _ in range(2):
        with stored(engine, history, scope) as listening:
            rankings.append([found(rank(listening, subject, ALL, most=3)) for subject in Subject])
        random.shuffle(history.events)
    assert rankings[0] == rankings[1]


@ON_DATABASE
@given(histories(), periods, ANY_SCOPE)
def test_days_are_local_days(engine: Engine, history: History, wanted: Span, scope: Scope) -> None:
    with stored(engine, history, scope) as listening:
        found = days(listening, wanted.first, wanted.last)
    expected = history.plain.of(scope.user, wanted).grouped(lambda played: played.day)
    assert [astuple(day) for day in found] == sorted((day, *sums) for day, sums in expected.items())


@ON_DATABASE
@given(histories(), periods, ANY_SCOPE)
def test_week_hours_are_iso_weekdays_and_local_hours(
    engine: Engine, history: History, wanted: Span, scope: Scope
) -> None:
    with stored(engine, history, scope) as listening:
        found = week_hours(listening, wanted)
    expected = history.plain.of(scope.user, wanted).grouped(lambda played: (played.day.isoweekday(), played.local.hour))
    assert {(hour.weekday, hour.hour): astuple(hour)[2:] for hour in found} == expected
    assert [(hour.weekday, hour.hour) for hour in found] == sorted(expected)


@ON_DATABASE
@given(histories(), periods, ANY_SCOPE)
def test_totals_equal_a_recount(engine: Engine, history: History, wanted: Span, scope: Scope) -> None:
    with stored(engine, history, scope) as listening:
        found = totals(listening, wanted)
    plain = history.plain.of(scope.user, wanted)
    played_on = sorted({played.day for played in plain.plays})
    assert (found.plays, found.listens, found.ms_played) == plain.sums()
    assert found.skips == sum(not played.is_listen for played in plain.plays)
    assert found.songs == len({played.song_name for played in plain.listens})
    assert found.artists == len({name for played in plain.listens for name in played.artist_names})
    assert found.listeners == len({played.user for played in plain.plays})
    assert found.days == len(played_on)
    assert (found.first_day, found.last_day) == ((played_on[0], played_on[-1]) if played_on else (None, None))


@ON_DATABASE
@given(histories(), periods, ADA, st.integers(-1, 3))
def test_streaks_are_runs_of_days_with_a_listen(
    engine: Engine, history: History, wanted: Span, scope: Scope, ago: int
) -> None:
    runs = history.plain.of("ada", wanted).streaks()
    today = (runs[-1][1] if runs else NOW.date()) + timedelta(days=ago)
    with stored(engine, history, scope) as listening:
        found = streaks(of_one(listening), wanted, today=today)
    longest = max(runs, key=lambda run: run[1] - run[0], default=None)
    current = next((run for run in reversed(runs) if run[1] >= today - timedelta(days=1)), None)
    assert (found.longest and astuple(found.longest)) == longest
    assert (found.current and astuple(found.current)) == current
    assert found.longest is None or found.longest.days == (found.longest.last - found.longest.first).days + 1


@ON_DATABASE
@given(histories(), periods, ADA, st.integers(1, 5))
def test_discoveries_are_first_listens_ever_newest_first(
    engine: Engine, history: History, wanted: Span, scope: Scope, most: int
) -> None:
    with stored(engine, history, scope) as listening:
        found = discoveries(of_one(listening), wanted, most=most)
    first = history.plain.of("ada").first_heard()
    within = {name: heard for name, heard in first.items() if heard[0] in wanted}
    names = [Name(canonical(discovery.artist), canonical(discovery.title)) for discovery in found]
    assert len(set(names)) == len(names)
    assert [within[name] for name in names] == sorted(within.values(), reverse=True)[:most]
    assert [within[name][0] for name in names] == [discovery.day for discovery in found]


def test_the_discoveries_of_a_day_are_in_the_order_heard(engine: Engine) -> None:
    """`discoveries_one_day.csv` of the shared cases, told in another order, and a skip that came before."""
    heard = {"Noon": "12:00", "Evening": "20:00", "Morning": "08:00"}
    skipped = play(time="2024-01-01T07:00:00Z", ms_played=1_000, song=song(title="Evening", duration_ms=180_000))
    _record(engine, skipped, *(play(time=f"2024-01-01T{at}:00Z", song=song(title=name)) for name, at in heard.items()))
    with snapshot(engine) as session:
        found = [discoveries(of_ada(session.connection()), ALL, most=most) for most in (1, 20)]
    assert [[each.title for each in some] for some in found] == [["Evening"], ["Evening", "Noon", "Morning"]]


@pytest.mark.parametrize("most", [1, 3, 119, 120, 500])
def test_of_a_day_with_many_discoveries_the_latest_are_listed(engine: Engine, most: int) -> None:
    last_first = [
        (f"song {minute}", f"2024-01-01T{8 + minute // 60:02}:{minute % 60:02}:00Z") for minute in range(119, -1, -1)
    ]
    earlier = play(time="2023-12-31T12:00:00Z", song=song(title="earlier"))
    _record(engine, *(play(time=at, song=song(title=title)) for title, at in sorted(last_first)), earlier)
    with snapshot(engine) as session:
        found = discoveries(of_ada(session.connection()), ALL, most=most)
    assert [each.title for each in found] == [*(title for title, _ in last_first), "earlier"][:most]


@ON_DATABASE
@given(histories(), periods, ADA, st.sampled_from(list(Period)))
def test_discoveries_are_counted_by_period(
    engine: Engine, history: History, wanted: Span, scope: Scope, period: Period
) -> None:
    with stored(engine, history, scope) as listening:
        found = count_discoveries(of_one(listening), period, wanted)
        played = totals(listening, ALL)
        ever = count_discoveries(of_one(listening), period, ALL)
    first = history.plain.of("ada").first_listens().values()
    begins = {Period.WEEK: lambda day: day - timedelta(days=day.isoweekday() - 1), Period.ALL: lambda _: date.min}
    begins |= {
        Period.DAY: lambda day: day,
        Period.MONTH: lambda day: day.replace(day=1),
        Period.YEAR: lambda day: day.replace(month=1, day=1),
    }
    assert [astuple(count) for count in found] == list(per((day for day in first if day in wanted), begins[period]))
    assert sum(count.songs for count in ever) == played.songs


# --- Examples -----------------------------------------------------------------------------------


def _record(engine: Engine, *events: dict[str, Any]) -> None:
    with transaction(engine) as session:
        record_batch(session.connection(), accepted(*events), known=Known())
    refresh(engine, ListenRule())


def of_ada(connection: Connection) -> UserListening:
    return UserListening(connection, find_listener(connection, "ada").id, ListenRule())


def test_top_reads_charts_for_everyone_and_days_for_a_user(engine: Engine) -> None:
    _record(engine, play(), play(user="bob"), play(user="bob", time="2021-04-22T06:00:00Z"))
    with snapshot(engine) as session:
        undrawn = top(GlobalListening(session.connection(), ListenRule()), Subject.SONG, ALL, most=5)
    refresh_charts(engine, today=NOW.date(), closed=True)
    with snapshot(engine) as session:
        connection = session.connection()
        everyone = top(GlobalListening(connection, ListenRule()), Subject.SONG, ALL, most=5)
        ada = top(of_ada(connection), Subject.SONG, ALL, most=5)
    assert undrawn == []
    assert everyone == [Place(1, "Tool", "Parabola", 3, 3, 0, 2, PARABOLA)]
    assert ada == [Place(1, "Tool", "Parabola", 1, 1, 0, 1, PARABOLA)]


@pytest.mark.parametrize(("today", "is_current"), [(22, True), (23, True), (24, False)])
def test_a_streak_is_current_until_a_whole_day_is_missed(engine: Engine, *, today: int, is_current: bool) -> None:
    _record(engine, play(time="2021-04-21T05:40:53Z"), play(time="2021-04-22T05:40:53Z"))
    with snapshot(engine) as session:
        found = streaks(of_ada(session.connection()), ALL, today=date(2021, 4, today))
    assert found.longest is not None
    assert found.longest.days == 2
    assert found.current == (found.longest if is_current else None)


def test_the_last_week_of_a_year_ends_as_in_iso_8601(engine: Engine) -> None:
    _record(engine, play(time="2021-01-03T23:59:59+01:00"), play(time="2021-01-04T00:00:00+01:00"))
    week = span(Period.WEEK, date(2020, 12, 31))
    with snapshot(engine) as session:
        found = totals(GlobalListening(session.connection(), ListenRule()), week)
    assert (found.plays, found.last_day) == (1, date(2021, 1, 3))


def test_sums_of_listening_time_are_exact_integers(engine: Engine) -> None:
    days_long = 24 * 24 * 3_600_000
    _record(engine, *(play(time=f"2021-04-{day:02}T05:40:53Z", ms_played=days_long - day) for day in range(1, 29)))
    with snapshot(engine) as session:
        place = rank(of_ada(session.connection()), Subject.ARTIST, ALL, most=1)[0]
    assert place.ms_played == 28 * days_long - sum(range(1, 29))
    assert isinstance(place.ms_played, int)


@pytest.mark.parametrize(
    ("zone", "written", "today"),
    [
        ("Pacific/Kiritimati", "2026-11-20T12:00:00-08:00", date(2026, 11, 24)),
        ("no timezone", "2026-11-20T12:00:00+13:00", date(2026, 11, 24)),
        (None, "2026-11-20T12:00:00+13:00", date(2026, 11, 24)),
        (None, "2026-11-20T12:00:00-08:00", date(2026, 11, 23)),
        (None, "2026-11-20T12:00:00Z", date(2026, 11, 23)),
    ],
)
def test_today_follows_the_preference_the_last_play_or_utc(
    engine: Engine, zone: str | None, written: str, today: date
) -> None:
    if zone is not None:
        store_timezone(engine, zone)
    _record(engine, play(time="2026-11-19T12:00:00+05:00"), play(time=written))
    with snapshot(engine) as session:
        found = find_listener(session.connection(), "ada")
    assert found.today(datetime(2026, 11, 23, 11, 30, tzinfo=UTC)) == today


def test_a_user_is_found_in_any_unicode_form(engine: Engine) -> None:
    _record(engine, play(user="Zoe\u0308"))
    with snapshot(engine) as session:
        assert find_listener(session.connection(), "Zo\u00eb") == find_listener(session.connection(), "Zoe\u0308")


def test_the_error_for_an_unknown_user_is_one_line_with_advice(engine: Engine) -> None:
    with snapshot(engine) as session, pytest.raises(UnknownUserError) as caught:
        find_listener(session.connection(), "Ada\x1b[2J\n")
    assert str(caught.value).isprintable()
    assert "zik status" in str(caught.value)
