"""The questions of the report against plain Python, over bursts of plays with months between them."""

from collections.abc import Sequence
from dataclasses import astuple
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from tests.statistics.test_questions import ADA, ANY_SCOPE, SONGS, THIRDS, TOLD, History, Scope, of_one, stored
from tests.support.events import play, preference
from tests.support.plain_statistics import NAMES, Name, Plain, PlainPlay, canonical, is_listen, local_time
from tests.support.strategies import ON_DATABASE
from worker.statistics import (
    Comeback,
    Listen,
    Period,
    Span,
    Subject,
    artist_comebacks,
    days_of_song,
    first_and_last,
    longest_run,
    milestones,
    named_albums,
    song_comebacks,
    span,
    stayed_discoveries,
)

# Hours apart, a month, half a year less a day and more, around midnight of a zone that is not UTC.
DAYS = tuple(
    datetime.fromisoformat(day).replace(tzinfo=UTC)
    for day in ("2022-01-01T10:00", "2022-12-30T22:30", "2023-01-28T23:30", "2023-06-27T20:00", "2023-06-29T20:00")
)
SPANS = (
    *(span(Period.YEAR, date(year, 1, 1)) for year in (2021, 2022, 2023)),
    span(Period.MONTH, date(2023, 6, 1)),
    span(Period.ALL, date.min),
)
MOST = 3


@st.composite
def bursts(draw: st.DrawFn) -> History:
    """Plays of a few songs, some of them skipped, on few days: enough of them for comebacks and the 100th listen."""
    zone = draw(st.sampled_from((None, "Europe/Berlin", "America/New_York")))
    events: list[dict[str, Any]] = [] if zone is None else [preference(user="ada", key="timezone", value=zone)]
    played: dict[tuple[datetime, str], PlainPlay] = {}
    for _ in range(draw(st.integers(0, 12))):
        song, start = draw(st.sampled_from(SONGS)) | draw(st.sampled_from(TOLD)), draw(st.sampled_from(DAYS))
        step, ms_played = draw(st.sampled_from((3, 7))), draw(st.sampled_from((None, 1_000, 300_000)))
        for number in range(draw(st.integers(1, 15))):
            at = start + timedelta(minutes=number * step)
            heard = is_listen(ms_played, song.get("duration_ms"))
            key = (at, f"{song['artist']} {song['title']}")
            if key not in played:
                names = (song["artist"], song["title"], song.get("album"))
                artists = (tuple(song.get("artists", ())), song.get("album_artist"))
                played[key] = PlainPlay("ada", local_time(at, None, zone), *names, ms_played, heard, *artists)
                length = {} if ms_played is None else {"ms_played": ms_played}
                events.append(play(user="ada", song=song, time=at.strftime("%Y-%m-%dT%H:%M:%SZ"), **length))
    return History(events, Plain(list(played.values())))


SWEPT = st.builds(Scope, st.just("ada"), THIRDS)
ASKED = (bursts(), st.sampled_from(SPANS), SWEPT)


def _instants(plays: Sequence[PlainPlay]) -> list[tuple[date, datetime]]:
    """By local day, then by instant. Only the catalogue knows the order of two songs at one instant."""
    return sorted((each.day, each.local.astimezone(UTC)) for each in plays)


def _is(listen: Listen, plays: Sequence[PlainPlay], at: tuple[date, datetime]) -> bool:
    names = {each.song_name for each in plays if (each.day, each.local.astimezone(UTC)) == at}
    found = Name(canonical(listen.artist), canonical(listen.title))
    return found in names and (listen.at.date(), listen.at.astimezone(UTC)) == at


@ON_DATABASE
@given(*ASKED)
def test_a_span_begins_and_ends_with_a_listen(engine: Engine, history: History, wanted: Span, scope: Scope) -> None:
    with stored(engine, history, scope) as listening:
        found = first_and_last(of_one(listening), wanted)
    listens = history.plain.of("ada", wanted).listens
    order = _instants(listens)
    assert (found is None) is (not listens)
    if found:
        assert _is(found.first, listens, order[0])
        assert _is(found.last, listens, order[-1])


@ON_DATABASE
@given(*ASKED)
def test_milestones_are_round_numbers_of_the_whole_history(
    engine: Engine, history: History, wanted: Span, scope: Scope
) -> None:
    with stored(engine, history, scope) as listening:
        found = milestones(of_one(listening), wanted)
    listens = history.plain.of("ada").listens
    order = _instants(listens)
    expected = [at for at in order[99:100] if at[0] in wanted]
    assert [milestone.number for milestone in found] == [100] * len(expected)
    for milestone, at in zip(found, expected, strict=True):
        assert _is(milestone.listen, listens, at)


@ON_DATABASE
@given(*ASKED)
def test_the_longest_run_has_no_other_song_in_between(
    engine: Engine, history: History, wanted: Span, scope: Scope
) -> None:
    listens = history.plain.of("ada", wanted).listens
    instants = [each.local for each in listens]
    # Two songs at one instant: their order is the catalogue's.
    alone = [each for each in listens if instants.count(each.local) == 1]
    plain = History([e for e in history.events if e["type"] != "play"], Plain(alone))
    plain.events.extend(_events_of(history, alone))
    runs = [list(run) for _, run in groupby(sorted(alone, key=lambda p: p.local), key=lambda p: p.song_name)]
    longest = max((run for run in runs if len(run) > 1), key=len, default=None)
    with stored(engine, plain, scope) as listening:
        found = longest_run(of_one(listening), wanted)
    assert (found is None) is (longest is None)
    if found and longest:
        assert Name(canonical(found.artist), canonical(found.title)) == longest[0].song_name
        heard_ms = sum(each.ms_played or 0 for each in longest)
        assert astuple(found)[2:] == (len(longest), longest[0].day, longest[-1].day, heard_ms)


def _events_of(history: History, plays: Sequence[PlainPlay]) -> list[dict[str, Any]]:
    wanted = {(each.local.astimezone(UTC), each.artist, each.title) for each in plays}
    return [
        event
        for event in history.events
        if event["type"] == "play"
        and (datetime.fromisoformat(event["time"]), event["song"]["artist"], event["song"]["title"]) in wanted
    ]


@ON_DATABASE
@given(*ASKED)
def test_comebacks_were_away_for_half_a_year(engine: Engine, history: History, wanted: Span, scope: Scope) -> None:
    with stored(engine, history, scope) as listening:
        artists = artist_comebacks(of_one(listening), wanted, most=MOST)
        songs = song_comebacks(of_one(listening), wanted, most=MOST)
    listens = [each for each in history.plain.of("ada").listens if each.day <= wanted.last]
    _check_comebacks(artists, listens, wanted, by_song=False)
    _check_comebacks(songs, listens, wanted, by_song=True)


def _check_comebacks(found: Sequence[Comeback], listens: Sequence[PlainPlay], wanted: Span, *, by_song: bool) -> None:
    expected: dict[Name, tuple[int, date, date]] = {}
    for name, of_name in Plain(listens).ranked(NAMES[Subject.SONG if by_song else Subject.ARTIST]).items():
        days = sorted(each.day for each in of_name.plays)
        for before, day in pairwise(days):
            since = sum(each >= day for each in days)
            if day in wanted and (day - before).days >= 180 and since >= 10 and name not in expected:
                expected[name] = (since, before, day)
    best = sorted(expected.values(), key=lambda each: (-each[0], each[1]))[:MOST]
    assert [(each.listens, each.away_since) for each in found] == [each[:2] for each in best]
    for each in found:
        name = Name(canonical(each.artist), None if each.title is None else canonical(each.title))
        assert expected[name] == (each.listens, each.away_since, each.back_on)
        assert each.days_away == (each.back_on - each.away_since).days


@ON_DATABASE
@given(*ASKED)
def test_a_discovery_stays_if_it_is_heard_a_month_later(
    engine: Engine, history: History, wanted: Span, scope: Scope
) -> None:
    with stored(engine, history, scope) as listening:
        found = stayed_discoveries(of_one(listening), wanted, most=MOST)
    expected: dict[Name, tuple[date, date, int]] = {}
    for name, first in history.plain.of("ada").first_listens().items():
        days = [each.day for each in history.plain.listens if each.song_name == name and each.day <= wanted.last]
        if first in wanted and (max(days) - first).days >= 30:
            expected[name] = (first, max(days), len(days))
    assert found.number == len(expected)
    order = sorted((-listens, first) for first, _, listens in expected.values())[:MOST]
    assert [(-each.listens, each.first) for each in found.songs] == order
    for each in found.songs:
        assert expected[Name(canonical(each.artist), canonical(each.title))] == astuple(each)[2:]


@ON_DATABASE
@given(bursts(), st.sampled_from(SPANS), ANY_SCOPE, st.sampled_from(SONGS))
def test_days_of_a_song_are_its_own(
    engine: Engine, history: History, wanted: Span, scope: Scope, song: dict[str, Any]
) -> None:
    with stored(engine, history, scope) as listening:
        found = days_of_song(listening, song["artist"].upper(), song["title"], wanted)
    name = Name(canonical(song["artist"]), canonical(song["title"]))
    plays = [each for each in history.plain.of(scope.user, wanted).plays if each.song_name == name]
    expected = Plain(plays).grouped(lambda played: played.day)
    assert [astuple(day) for day in found] == sorted((day, *sums) for day, sums in expected.items())


@ON_DATABASE
@given(bursts(), st.sampled_from(SPANS), ANY_SCOPE)
def test_albums_are_counted_by_the_listens_that_name_one(
    engine: Engine, history: History, wanted: Span, scope: Scope
) -> None:
    with stored(engine, history, scope) as listening:
        found = named_albums(listening, wanted)
    listens = history.plain.of(scope.user, wanted).listens
    assert astuple(found) == (len(listens), sum(each.album is not None for each in listens))


@pytest.mark.parametrize(("away", "is_back"), [(179, False), (180, True)])
def test_half_a_year_is_180_days(engine: Engine, away: int, *, is_back: bool) -> None:
    first = datetime(2022, 1, 5, 12, tzinfo=UTC)
    times = [first, *(first + timedelta(days=away, minutes=minute) for minute in range(10))]
    history = History([play(time=time.isoformat()) for time in times], Plain([]))
    with stored(engine, history, Scope("ada")) as listening:
        found = artist_comebacks(of_one(listening), SPANS[1], most=1)
    assert bool(found) is is_back


@ON_DATABASE
@given(bursts(), st.sampled_from(SPANS), ADA)
def test_everything_stays_the_same_when_the_days_are_swept(
    engine: Engine, history: History, wanted: Span, scope: Scope
) -> None:
    def answers(scope: Scope) -> list[Any]:
        with stored(engine, history, scope) as listening:
            user = of_one(listening)
            return [
                artist_comebacks(user, wanted, most=MOST),
                song_comebacks(user, wanted, most=MOST),
                stayed_discoveries(user, wanted, most=MOST),
                longest_run(user, wanted),
                first_and_last(user, wanted),
            ]

    assert answers(scope) == answers(Scope("ada"))
