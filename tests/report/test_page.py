"""The page beside the questions: every figure on it is an answer of `worker.statistics`."""

import random
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from tests.support.events import accepted, play, preference, song
from tests.support.web_page import WebPage
from worker.database.engine import snapshot, transaction
from worker.recorders.batch import record_batch
from worker.recorders.known import Known
from worker.report.page import page
from worker.report.wording import amount, day_name, duration, share
from worker.report.year import report_of
from worker.statistics import (
    Day,
    GlobalListening,
    Listen,
    Listening,
    ListenRule,
    Period,
    Place,
    Run,
    Span,
    Subject,
    UserListening,
    artist_comebacks,
    count_discoveries,
    days,
    days_of_song,
    find_listener,
    first_and_last,
    longest_run,
    milestones,
    named_albums,
    refresh_charts,
    song_comebacks,
    span,
    stayed_discoveries,
    streaks,
    top,
    totals,
    week_hours,
)
from worker.statistics.rollups.sweep import refresh

TODAY = date(2026, 11, 23)
YEAR = span(Period.YEAR, date(2021, 1, 1))
BEFORE = span(Period.YEAR, date(2020, 1, 1))
JUNE = span(Period.MONTH, date(2021, 6, 1))
MINUTE = 60_000
PLAYS = 1_400


def plays(user: str, seed: int) -> Iterator[dict[str, Any]]:
    """Two years with favourites, skips, a break of nine months, and a song on repeat."""
    rng = random.Random(seed)
    start = datetime(2020, 2, 3, 20, tzinfo=UTC)
    for number in range(PLAYS):
        at = start + timedelta(minutes=701 * number)
        artist = min(int(rng.expovariate(0.4)), 6)
        if artist == 2 and date(2020, 9, 1) < at.date() < date(2021, 6, 20):
            artist = 3
        title = f"Song {artist}{int(rng.expovariate(0.5)) % 8}"
        names = song(title=title, artist=f"Artist {artist}", album=f"Album {artist % 3}", duration_ms=200_000)
        ms_played = 200_000 if rng.random() < 0.8 else 9_000
        yield play(user=user, time=at.isoformat(), song=names, ms_played=ms_played)
    for again in range(4):
        yield play(
            user=user,
            time=(datetime(2021, 5, 5, 5, tzinfo=UTC) + timedelta(minutes=again)).isoformat(),
            song=song(title="Again", artist="Artist 1", duration_ms=60_000),
            ms_played=60_000,
        )


def record(engine: Engine, *events: dict[str, Any]) -> None:
    with transaction(engine) as session:
        record_batch(session.connection(), accepted(*events), known=Known())
    refresh(engine, ListenRule())
    refresh_charts(engine, today=TODAY, closed=True)


@pytest.fixture(scope="module")
def recorded_once(engine_of_module: Engine) -> Engine:
    """Two years of Ada and of Bob."""
    zone = preference(user="ada", key="timezone", value="Europe/Berlin")
    record(engine_of_module, zone, *plays("ada", 1), *plays("bob", 2))
    return engine_of_module


@pytest.fixture
def connection(recorded_once: Engine) -> Iterator[Connection]:
    with snapshot(recorded_once) as session:
        yield session.connection()


def of_ada(connection: Connection) -> UserListening:
    return UserListening(connection, find_listener(connection, "ada").id, ListenRule())


def page_of(connection: Connection, wanted: Span, *, user: str | None = "ada", today: date = TODAY) -> WebPage:
    return WebPage(html_of(connection, wanted, user=user, today=today))


def html_of(connection: Connection, wanted: Span, *, user: str | None = "ada", today: date = TODAY) -> str:
    listener = find_listener(connection, user) if user else None
    listening: Listening = (
        UserListening(connection, listener.id, ListenRule()) if listener else GlobalListening(connection, ListenRule())
    )
    return page(report_of(listening, listener, wanted, today=today), made_on=TODAY)


def minutes(ms_played: int) -> str:
    return f"{ms_played // MINUTE:,} minutes"


# --- Each figure is the answer to a question ----------------------------------------------------


def test_totals_are_beside_those_of_the_year_before(connection: Connection) -> None:
    ada = of_ada(connection)
    now, then = totals(ada, YEAR), totals(ada, BEFORE)

    shown = page_of(connection, YEAR)

    assert shown.figures == {
        f"listens 2020: {then.listens:,}": f"{now.listens:,}",
        f"songs 2020: {then.songs:,}": f"{now.songs:,}",
        f"artists 2020: {then.artists:,}": f"{now.artists:,}",
        f"days with music 2020: {then.days:,}": f"{now.days:,}",
        f"of {now.plays:,} plays skipped 2020: {share(then.skips, then.plays)}": share(now.skips, now.plays),
    }
    assert f"{minutes(now.ms_played)}, as far as players report them. 2020: {minutes(then.ms_played)}" in shown.text


@pytest.mark.parametrize("subject", Subject)
def test_places_are_those_of_the_ranking(connection: Connection, subject: Subject) -> None:
    ada = of_ada(connection)
    then = {(place.artist, place.title): place.listens for place in top(ada, subject, BEFORE, most=500)}

    def shown_as(place: Place) -> str:
        name = place.artist if place.title is None else f"{place.title} {place.artist}"
        figure = f"{place.listens:,}"
        if subject is not Subject.SONG:
            figure = f"{amount(place.listens, 'listen')} {duration(place.ms_played)}"
        before = then.get((place.artist, place.title))
        return f"{name} {figure}" + (f" 2020: {before:,}" if before else "")

    places = [shown_as(place) for place in top(ada, subject, YEAR, most=10)]

    assert places
    assert [place for place in places if place not in page_of(connection, YEAR).items] == []


def test_months_have_their_artist_and_their_time(connection: Connection) -> None:
    ada = of_ada(connection)

    def time_in(month: Span) -> str:
        return duration(sum(day.ms_played for day in days(ada, month.first, month.last)))

    months = [span(Period.MONTH, date(2021, number, 1)) for number in range(1, 13)]
    heard = [month for month in months if totals(ada, month).plays]
    table = page_of(connection, YEAR).tables[1]

    assert [row[0] for row in table[1:]] == [f"{month.first:%b}" for month in months]
    for month, (_, artist, shown) in zip(heard, table[1:], strict=False):
        before = span(Period.MONTH, month.first.replace(year=2020))
        compared = f" 2020: {time_in(before)}" if totals(ada, before).plays else ""
        assert artist == top(ada, Subject.ARTIST, month, most=1)[0].artist
        assert shown == f"{time_in(month)}{compared}"


def test_the_calendars_table_has_the_minutes_of_each_day(connection: Connection) -> None:
    expected = {day.day: day.ms_played // MINUTE for day in days(of_ada(connection), YEAR.first, YEAR.last)}

    head, *rows = page_of(connection, YEAR).tables[0]

    shown = {}
    for number, *cells in rows:
        for month, cell in enumerate(cells, start=1):
            if cell:
                shown[date(2021, month, int(number))] = int(cell)
    assert head == ["Day", *(f"{date(2021, month, 1):%b}" for month in range(1, 13))]
    assert shown == {day: expected.get(day, 0) for day in YEAR.days()}


def test_the_clocks_table_has_the_minutes_of_each_hour(connection: Connection) -> None:
    hours = week_hours(of_ada(connection), YEAR)
    expected = {(hour.weekday, hour.hour): hour.ms_played // MINUTE for hour in hours}

    table = page_of(connection, YEAR).tables[2]

    shown = {
        (weekday, hour): int(cell)
        for hour, (_, *cells) in enumerate(table[1:])
        for weekday, cell in enumerate(cells, start=1)
    }
    assert {key: count for key, count in shown.items() if count} == {k: c for k, c in expected.items() if c}
    best = max(hours, key=lambda hour: hour.listens)
    assert f"{best.hour:02}:00 to {(best.hour + 1) % 24:02}:00." in page_of(connection, YEAR).text


def _listen(what: str, listen: Listen) -> str:
    return f"{day_name(listen.at.date())} {what} {listen.title} {listen.artist} at {listen.at:%H:%M}"


def _time(heard: Day | Run) -> str:
    return duration(heard.ms_played)


def test_moments_are_answers_in_order(connection: Connection) -> None:
    ada = of_ada(connection)
    ends, run = first_and_last(ada, YEAR), longest_run(ada, YEAR)
    streak = streaks(ada, YEAR, today=TODAY).longest
    biggest = max(days(ada, YEAR.first, YEAR.last), key=lambda day: day.listens)
    (milestone,) = milestones(ada, YEAR)
    assert ends
    assert run
    assert streak
    song_of_day = top(ada, Subject.SONG, span(Period.DAY, biggest.day), most=1)[0]

    moments = [item for item in page_of(connection, YEAR).items if re.match(r"\d+ [A-Z][a-z]{2} 2021 The ", item)]

    first, *others, last = moments
    assert first == _listen("The first song", ends.first)
    assert last == _listen("The last song", ends.last)
    of_biggest = f"{song_of_day.title} {song_of_day.artist} {_time(biggest)}, this song most of all"
    of_run = f"{run.title} {run.artist} {run.listens} times in a row, {_time(run)}"
    of_streak = f"{streak.days} days in a row with music, until {day_name(streak.last)}"
    assert sorted(others) == sorted(
        [
            f"{day_name(biggest.day)} The biggest day {of_biggest}",
            f"{day_name(run.first)} The longest run {of_run}",
            f"{day_name(streak.first)} The longest streak begins {of_streak}",
            _listen(f"The {milestone.number:,}th listen ever", milestone.listen),
        ]
    )
    in_order = [datetime.strptime(" ".join(item.split()[:3]), "%d %b %Y").replace(tzinfo=UTC) for item in moments]
    assert in_order == sorted(in_order)


def test_the_comeback_and_the_first_song_are_sentences(connection: Connection) -> None:
    ada = of_ada(connection)
    (back,) = artist_comebacks(ada, YEAR, most=1)
    first = top(ada, Subject.SONG, YEAR, most=1)[0]
    played = sum(day.listens for day in days_of_song(ada, first.artist, first.title or "", YEAR))

    shown = page_of(connection, YEAR)

    assert (
        f"The comeback of the year: {back.artist}, unheard for {back.days_away} days, "
        f"then played {back.listens} times." in shown.items
    )
    assert any(item.startswith(f"{first.title} by {first.artist} was played {played} times") for item in shown.items)
    assert all(each.artist == back.artist for each in song_comebacks(ada, YEAR, most=10))


def test_discoveries_are_counted_with_those_that_stayed(connection: Connection) -> None:
    ada = of_ada(connection)
    found = sum(count.songs for count in count_discoveries(ada, Period.MONTH, YEAR))
    stayed = stayed_discoveries(ada, YEAR, most=8)

    shown = page_of(connection, YEAR)

    assert f"{found} songs heard for the first time. {stayed.number} of them stayed" in shown.text
    for each in stayed.songs:
        listens = f"{each.listens} listens since {day_name(each.first)}"
        assert f"{each.title} {each.artist} {listens}" in shown.items


def test_a_month_is_shown_day_by_day(connection: Connection) -> None:
    ada = of_ada(connection)
    by_day = {day.day: day for day in days(ada, JUNE.first, JUNE.last)}

    shown = page_of(connection, JUNE)

    assert "ada: June 2021 in music" in shown.text
    assert [row[0].split()[1] for row in shown.tables[0][1:]] == [str(day) for day in range(1, 31)]
    for row, day in zip(shown.tables[0][1:], JUNE.days(), strict=True):
        assert row[2] == (duration(by_day[day].ms_played) if day in by_day else "0 minutes")
    before = totals(ada, span(Period.MONTH, date(2020, 6, 1)))
    assert f"listens June 2020: {before.listens}" in shown.figures


def test_everyone_has_charts_and_nothing_of_one_person(connection: Connection) -> None:
    everyone = GlobalListening(connection, ListenRule())
    now, then = totals(everyone, YEAR), totals(everyone, BEFORE)
    first = top(everyone, Subject.SONG, YEAR, most=1)[0]

    shown = page_of(connection, YEAR, user=None)

    assert shown.figures[f"listeners 2020: {then.listeners}"] == "2"
    assert shown.figures[f"listens 2020: {then.listens:,}"] == f"{now.listens:,}"
    assert any(item.startswith(f"{first.title} {first.artist} {first.listens}") for item in shown.items)
    assert not re.search("ada|bob|Discoveries|omeback|first song", shown.text)


def test_no_figure_stands_twice(connection: Connection) -> None:
    """Except in the tables below the charts, and the first song's: its sentence is the poster's."""
    shown = page_of(connection, YEAR)
    text = re.sub(r"As a table.*?(?=Month by month|Moments|$)", "", shown.text)
    now = totals(of_ada(connection), YEAR)

    for figure in (now.listens, now.plays, now.days, now.ms_played // MINUTE):
        assert len(re.findall(rf"(?<![\d,:]){figure:,}(?![\d,:])", text)) == 1


# --- What is left out, and said -----------------------------------------------------------------


def test_nothing_is_a_discovery_in_the_first_year_of_a_history(connection: Connection) -> None:
    assert "Discoveries" in page_of(connection, YEAR).text
    assert "Discoveries" not in page_of(connection, BEFORE).text


def test_a_calendar_begins_at_the_first_play(connection: Connection) -> None:
    html = html_of(connection, BEFORE)

    (first,) = re.findall(r'time datetime="([\d-]+)">[^<]*</time>\s*<div><strong>The first song', html)
    *calendar, _clock = re.findall(r'<svg class="chart".*?</svg>', html, flags=re.DOTALL)
    drawn = sum(path.count("M") for path in re.findall(r' d="([^"]*)"', "".join(calendar)))
    assert drawn == (date(2020, 12, 31) - date.fromisoformat(first)).days + 1
    assert WebPage(html).tables[1][1][0] == "Feb"


def test_albums_are_left_out_where_few_listens_name_one(engine: Engine) -> None:
    noon = datetime(2021, 3, 4, 12, tzinfo=UTC)
    record(
        engine,
        *(play(time=(noon + timedelta(minutes=n)).isoformat(), song=song(title=f"T{n}")) for n in range(6)),
        *(play(time=(noon + timedelta(hours=n)).isoformat(), song=song(title=f"A{n}", album="B")) for n in range(1, 5)),
    )
    with snapshot(engine) as session:
        counted = named_albums(of_ada(session.connection()), YEAR)
        shown = page_of(session.connection(), YEAR)

    assert (counted.named, counted.listens) == (4, 10)
    assert "No albums: only 4 of 10 listens name one." in shown.text
    assert "Albums" not in shown.text


def test_a_year_that_is_not_over_is_compared_up_to_the_same_day(connection: Connection) -> None:
    until = date(2021, 6, 10)
    then = totals(of_ada(connection), BEFORE._replace(last=date(2020, 6, 10)))

    shown = page_of(connection, YEAR, today=until)

    assert "2021 in music, so far" in shown.text
    assert f"songs to 10 Jun 2020: {then.songs}" in shown.figures
    assert [row[0] for row in shown.tables[1][1:]][-1] == "Jun"
    assert "The last song so far" in shown.text


def test_a_history_that_begins_in_the_year_before_says_so(connection: Connection) -> None:
    assert "The time before is compared from 3 Feb 2020 on, when this history begins." in page_of(connection, YEAR).text


def test_listens_stand_where_one_player_reports_no_times(engine: Engine) -> None:
    record(
        engine,
        play(time="2021-01-05T10:00:00Z"),
        play(time="2021-02-05T10:00:00Z", ms_played=300_000),
        play(time="2020-02-05T10:00:00Z", ms_played=300_000),
    )
    with snapshot(engine) as session:
        shown = page_of(session.connection(), YEAR)
        before = page_of(session.connection(), BEFORE)

    assert "2 listens 2020: 1 listen" in shown.text
    assert "minute" not in shown.text
    assert "5 minutes of music 5 minutes" in before.text


@pytest.mark.parametrize(
    ("events", "zone"),
    [
        ([preference(key="timezone", value="Europe/Berlin"), play()], "Europe/Berlin"),
        ([play(time="2021-04-22T05:40:53-03:30")], "UTC-03:30"),
        ([play()], "UTC"),
    ],
)
def test_the_zone_of_days_and_hours_is_named(engine: Engine, events: list[dict[str, Any]], zone: str) -> None:
    record(engine, *events)
    with snapshot(engine) as session:
        shown = page_of(session.connection(), YEAR)

    assert f"Hours in {zone}." in shown.text
    assert f"by the offset that a play came with, else in {zone}." in shown.text


def test_the_same_answers_give_the_same_page(connection: Connection) -> None:
    assert html_of(connection, YEAR) == html_of(connection, YEAR)


def test_a_page_is_small(connection: Connection) -> None:
    assert len(html_of(connection, YEAR).encode()) <= 60_000


@pytest.mark.parametrize(
    "text",
    [
        "x" * 500,
        "<script>alert(1)</script>",
        "\u202eevil\u2066",
        "' onload=x y='",
        "{{ 7 * 7 }}",
        "\U0001f469\u200d\U0001f3a4" * 99,
        "&lt;/style>",
    ],
)
def test_hostile_names_leave_the_page_whole(engine: Engine, text: str) -> None:
    hostile = song(title=text, artist=text, album=text)
    record(engine, *(play(time=f"202{n}-03-04T12:00:00Z", user=text[:64], song=hostile) for n in (0, 1)))
    with snapshot(engine) as session:
        html = html_of(session.connection(), YEAR, user=text[:64])

    shown = WebPage(html)
    assert "script" not in shown.tags
    assert shown.tags.count("style") == html.count("</style>") == 1
    assert not [name for name, _ in shown.attributes if name.startswith("on")]
    assert "49" not in shown.text
    assert all(char.isprintable() or char in "\n\u200d" for char in html)
    # Any letter may end a line where no blank does.
    assert all(f"{name}{{" in html for name in (".names", "h1", ".artist", ".said li", ".what div"))
    assert html.count("overflow-wrap:anywhere") >= 5
