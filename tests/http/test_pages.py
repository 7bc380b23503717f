"""Pages: each figure on one is what its question answers."""

import json
import re
import sys
from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Final
from uuid import UUID

import pytest

from tests.support.door import announce_song
from tests.support.http_server import HttpServer
from tests.support.pages import ask, opened, publish, sign_in, text_of
from tests.support.rollup_rows import store_timezone
from worker.contract.identity import album_identity, artist_identity, song_identity
from worker.operations.corrections import Choice, FoundPlay, find
from worker.report import card
from worker.report.wording import MONTHS, amount, day_name, duration, roughly
from worker.statistics import (
    ONE_DAY,
    Period,
    Place,
    Span,
    Subject,
    UserListening,
    days,
    heard,
    search,
    songs_of,
    span,
    streaks,
    top,
    totals,
    week_hours,
)

# Tokyo, by the preference: the next day has begun.
TODAY: Final = date(2026, 11, 24)


def rows_of(page: str, subject: Subject) -> list[list[str]]:
    """The rows of the table of places under a heading of this subject, as texts of their cells."""
    heading = f'<th scope="col">{subject.value.capitalize()}</th>'
    assert heading in page
    body = page.partition(heading)[2].partition("</tbody>")[0]
    rows = re.findall(r"<tr><td>(.*?)</tr>", body, re.DOTALL)
    return [[text_of(cell) for cell in row.split("<td>")] for row in rows]


def expected_rows(places: Sequence[Place], subject: Subject, *, before: list[int] | None = None) -> list[list[str]]:
    def name(place: Place) -> str:
        return place.artist if subject is Subject.ARTIST else f"{place.title} {place.artist}"

    rows = [[str(place.place), name(place), f"{place.listens:,}"] for place in places]
    if before is not None:
        rows = [[*row, f"{count:,}" if count else "\N{EN DASH}"] for row, count in zip(rows, before, strict=True)]
    return rows


def test_the_profile_shows_what_the_questions_answer(listened: HttpServer) -> None:
    page = opened(listened, "/u/ada")
    text = text_of(page)
    ever = span(Period.ALL, TODAY)
    found, run = ask(listened, lambda of: (totals(of, ever), streaks(of, ever, today=TODAY)))
    month, week = (ask(listened, partial(totals, span=span(period, TODAY))) for period in (Period.MONTH, Period.WEEK))
    listened_on = [day.day for day in ask(listened, lambda of: days(of, date.min, date.max)) if day.listens]
    assert run.current
    assert run.longest
    assert (
        f"{found.listens:,} listens since "
        f"{day_name(listened_on[0])} : {roughly(found.ms_played)} , as far as players report lengths. "
        f"{amount(run.current.days, 'day')} in a row until now; the longest was {amount(run.longest.days, 'day')} , "
        f"until {day_name(run.longest.last)} . "
        f"This month {amount(month.listens, 'listen')} to {amount(month.songs, 'song')} by "
        f"{amount(month.artists, 'artist')}, this week {week.listens:,} ."
    ) in text
    artists = ask(listened, lambda of: top(of, Subject.ARTIST, span(Period.MONTH, TODAY), most=5))
    assert " ".join(f"{place.artist} {place.listens:,}" for place in artists) in text
    for year in (2025, 2026):
        assert f'<a href="{year}">' in page


def test_the_calendar_and_the_clock_show_what_the_questions_answer(listened: HttpServer) -> None:
    page = opened(listened, "/u/ada")
    year = Span(Period.ALL, date(2025, 12, 1), TODAY)
    found = ask(listened, lambda of: days(of, year.first, year.last))
    cells = re.findall(r'<a href="day/([\d-]+)">(\d+)<i>: (\d+)</i>', page)
    assert [(day, int(number), int(listens)) for day, number, listens in cells] == [
        (str(day.day), day.day.day, day.listens) for day in found
    ]
    months = re.findall(r'at=([\d-]+)">([^<]+)</a> <span class="count">([\d,]+)</span></caption>', page)
    assert [(first, name) for first, name, _ in months] == [
        (str(month), f"{MONTHS[month.month - 1]} {month.year}")
        for month in [date(2025, 12, 1), *(date(2026, number, 1) for number in range(1, 12))]
    ]
    assert [int(count) for _, _, count in months] == [
        sum(day.listens for day in found if str(day.day)[:7] == first[:7]) for first, _, _ in months
    ]
    clock = re.search(r'<table class="clock">.*?</table>', page, re.DOTALL)
    assert clock
    listens = [int(count) for count in re.findall(r'<td class="l\d"><i>(\d+)</i>', clock[0])]
    hours = {(each.weekday, each.hour): each.listens for each in ask(listened, lambda of: week_hours(of, year))}
    assert listens == [hours.get((weekday, hour), 0) for weekday in range(1, 8) for hour in range(24)]


def test_last_plays_are_in_local_time_newest_first(listened: HttpServer) -> None:
    page = opened(listened, "/u/ada/live")
    plays = ask(listened, lambda of: find(of.connection, of.user_id, Choice()))[::-1][:50]
    times = re.findall(r'<td><time datetime="([^"]+)">(\d\d:\d\d)</time>', page)
    assert times == [(play.time.isoformat(timespec="seconds"), f"{play.time:%H:%M}") for play in plays]
    assert re.findall(r"<bdi>(Song \d+)</bdi></a> <small>", page) == [play.song.title for play in plays]
    assert page.split("<section")[2] in opened(listened, "/u/ada")


def test_what_plays_now_comes_first(listened: HttpServer) -> None:
    assert "Playing now" not in opened(listened, "/u/ada")
    announce_song(listened.settings.redis_url, "ada", title="Jóga", artist="Björk")
    for path in ("/u/ada", "/u/ada/live"):
        assert "Playing now Jóga Björk" in text_of(opened(listened, path))


def test_the_profile_of_a_user_without_plays(server_at_now: HttpServer) -> None:
    sign_in(server_at_now)
    assert "Nothing has been played yet" in opened(server_at_now, "/u/ada")


@pytest.mark.parametrize("subject", Subject)
def test_tops_show_what_the_questions_answer(listened: HttpServer, subject: Subject) -> None:
    for period in (Period.WEEK, Period.MONTH, Period.YEAR, Period.ALL):
        for at in (None, date(2026, 3, 3), date(2020, 1, 1)):
            page = opened(listened, f"/u/ada/top/{subject}s?period={period}" + (f"&at={at}" if at else ""))
            wanted = span(period, at or TODAY)
            places = ask(listened, partial(top, subject=subject, span=wanted, most=50))
            if not places:
                assert "Nothing was heard" in page
                continue
            before = None
            if period is not Period.ALL:
                earlier = span(period, wanted.first - ONE_DAY)
                ranked = ask(listened, partial(top, subject=subject, span=earlier, most=1_000))
                listens = {(place.artist, place.title): place.listens for place in ranked}
                before = [listens.get((place.artist, place.title), 0) for place in places]
            assert rows_of(page, subject) == expected_rows(places, subject, before=before)
            found = ask(listened, partial(totals, span=wanted))
            assert f"{amount(found.listens, 'listen')}, {duration(found.ms_played)}." in text_of(page)


def test_tops_lead_to_the_periods_around(listened: HttpServer) -> None:
    page = opened(listened, "/u/ada/top/songs?period=month&at=2026-10-09")
    assert 'rel="prev" href="top/songs?period=month&amp;at=2026-09-01"' in page
    assert 'rel="next" href="top/songs?period=month&amp;at=2026-11-01"' in page
    assert 'rel="next"' not in opened(listened, "/u/ada/top/songs?period=month")
    assert 'rel="prev"' not in opened(listened, "/u/ada/top/songs?period=all")


@pytest.mark.parametrize("subject", Subject)
def test_pages_of_songs_artists_and_albums_show_what_the_question_answers(
    listened: HttpServer, subject: Subject
) -> None:
    for place in ask(listened, lambda of: top(of, subject, span(Period.ALL, TODAY), most=100)):
        identity = {
            Subject.SONG: song_identity(place.artist, place.title or ""),
            Subject.ARTIST: artist_identity(place.artist),
            Subject.ALBUM: album_identity(place.artist, place.title or ""),
        }[subject]
        page = opened(listened, f"/u/ada/{subject}/{identity}")
        text = text_of(page)
        found = ask(listened, partial(heard, subject=subject, identity=UUID(identity)))
        assert found
        in_plays = f" in {amount(found.plays, 'play')}" if found.plays > found.listens else ""
        assert (
            f"Heard {found.listens:,} {'time' if found.listens == 1 else 'times'}{in_plays}, "
            f"{roughly(found.ms_played)} . First on {day_name(found.first_day)} , last on {day_name(found.last_day)} ."
        ) in text
        cells = re.findall(r'<td class="l\d">([\d,]*)', page)
        years = range(found.last_day.year, found.first_day.year - 1, -1)
        months = [date(year, month, 1) for year in years for month in range(1, 13)]
        assert [int(cell or 0) for cell in cells] == [found.months.get(month, 0) for month in months]
        if subject is not Subject.SONG:
            songs = ask(listened, partial(songs_of, subject=subject, identity=UUID(identity), most=50))
            rows = [[str(song.place), song.title, f"{song.listens:,}"] for song in songs]
            assert rows_of(page, Subject.SONG) == rows


@pytest.mark.parametrize("text", ["song 1", "ART", "album", "nothing"])
def test_search_shows_what_the_question_answers(listened: HttpServer, text: str) -> None:
    page = opened(listened, f"/u/ada/search?q={text}")
    found = ask(listened, lambda of: search(of, text, most=20))
    shown = {Subject.ARTIST: found.artists, Subject.SONG: found.songs, Subject.ALBUM: found.albums}
    for subject, places in shown.items():
        if places:
            assert rows_of(page, subject) == expected_rows(places, subject)
        else:
            assert f'id="{subject}s"' not in page
    assert ("Nothing you played" in page) == (not any(shown.values()))
    assert f'value="{text}"' in page


def plays_of_day(of: UserListening, day: date) -> Sequence[FoundPlay]:
    return find(of.connection, of.user_id, Choice(day=day))


def test_a_day_shows_its_plays_and_sums(listened: HttpServer) -> None:
    for day in ask(listened, lambda of: days(of, date(2026, 11, 1), TODAY)):
        page = opened(listened, f"/u/ada/day/{day.day}")
        assert f"{amount(day.listens, 'listen')} in {amount(day.plays, 'play')}, {duration(day.ms_played)}." in text_of(
            page
        )
        plays = ask(listened, partial(plays_of_day, day=day.day))
        assert re.findall(r'name="play" value="([^"]+)"', page) == [str(play.id) for play in plays]
        assert re.findall(r'<td><time datetime="([^"]+)"', page) == [play.time.isoformat() for play in plays]


def test_a_day_says_which_plays_are_no_listens(listened: HttpServer) -> None:
    for day in ask(listened, lambda of: days(of, date(2026, 10, 1), TODAY)):
        page = text_of(opened(listened, f"/u/ada/day/{day.day}"))
        assert page.count("too short to count") == day.plays - day.listens


def test_a_song_with_few_listens_has_a_shade_for_each_number(server_at_now: HttpServer) -> None:
    song = {"title": "Parabola", "artist": "Tool"}
    days_of = {"2026-03": 1, "2026-04": 1, "2026-05": 1, "2026-06": 3, "2026-07": 2}
    times = [f"{month}-{day + 1:02}T10:00:00Z" for month, number in days_of.items() for day in range(number)]
    publish(server_at_now, *({"type": "play", "user": "ada", "time": time, "song": song} for time in times))
    sign_in(server_at_now)
    cells = re.findall(r'class="l(\d)">(\d)', opened(server_at_now, f"/u/ada/song/{song_identity('Tool', 'Parabola')}"))
    level = {int(listens): int(level) for level, listens in cells}
    assert 0 < level[1] < level[2] < level[3]
    levels = set(re.findall(r'<td class="l(\d)"><a', opened(server_at_now, "/u/ada")))
    assert len(levels) == 1


def test_a_year_shows_its_report(listened: HttpServer) -> None:
    answer = listened.client.get("/u/ada/2026")
    assert answer.status_code == 200
    assert text_of(answer.text).startswith("zik ada Top songs of 2026 A card to share: SVG PNG ")
    assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"
    assert 'http-equiv="Content-Security-Policy"' in answer.text


def test_a_year_is_a_card_to_share_that_names_nobody(listened: HttpServer) -> None:
    svg, png = (listened.client.get(f"/u/ada/2026/card.{suffix}") for suffix in ("svg", "png"))
    assert (svg.status_code, svg.headers["content-type"]) == (200, "image/svg+xml")
    assert "2026 in music" in svg.text
    assert "ada" not in svg.text.lower().replace("adagio", "")
    assert svg.headers["content-security-policy"] == "default-src 'none'"
    assert (png.status_code, png.headers["content-type"], png.content[:4]) == (200, "image/png", b"\x89PNG")
    assert listened.client.get("/u/ada/2010/card.svg").status_code == 404


def test_without_the_package_that_draws_it_a_card_is_an_svg_alone(
    listened: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    monkeypatch.setattr(card, "find_spec", lambda _: None)
    assert text_of(listened.client.get("/u/ada/2026").text).startswith(
        "zik ada Top songs of 2026 A card to share: SVG ada"
    )
    assert listened.client.get("/u/ada/2026/card.svg").status_code == 200
    refused = listened.client.get("/u/ada/2026/card.png")
    assert (refused.status_code, "a PNG needs resvg" in refused.text) == (501, True)


def test_everyone_gets_the_card_of_a_public_year(listened: HttpServer) -> None:
    time = "2026-11-22T08:00:00Z"
    publish(listened, {"type": "preference", "user": "ada", "time": time, "key": "public_profile", "value": True})
    listened.client.cookies.clear()
    assert "SVG PNG" in text_of(listened.client.get("/u/ada/2026").text)[:80]
    assert listened.client.get("/u/ada/2026/card.svg").status_code == 200
    png = listened.client.get("/u/ada/2026/card.png")
    assert (png.status_code, png.content[:4]) == (200, b"\x89PNG")
    assert "style-src 'unsafe-inline'" in png.headers["content-security-policy"]


# --- What the command says, too -----------------------------------------------------------------


def test_a_play_that_two_players_report_is_shown_with_the_one_that_counts(server_at_now: HttpServer) -> None:
    song = {"title": "Parabola", "artist": "Tool"}
    for second, source in enumerate(("mpd/0.23", "<b>phone</b>")):
        time = f"2026-11-20T10:00:0{second}Z"
        publish(server_at_now, {"type": "play", "user": "ada", "time": time, "song": song, "source": source})
    sign_in(server_at_now)
    for path in ("/u/ada", "/u/ada/live", "/u/ada/day/2026-11-20"):
        page = opened(server_at_now, path)
        assert page.count('class="again"') == 1, path
        assert text_of(page).count(", counted once, from") == 1
        assert ", counted once, from mpd/0.23" in text_of(page)
    assert "1 listen in 1 play." in text_of(opened(server_at_now, "/u/ada/day/2026-11-20"))


@pytest.mark.parametrize("stored", ["PST", "<b>", {"zone": 1}])
def test_a_stored_timezone_that_is_none_is_named_to_its_listener(listened: HttpServer, stored: object) -> None:
    store_timezone(listened.engine, stored)
    time = "2026-11-22T08:00:00Z"
    publish(listened, {"type": "preference", "user": "ada", "time": time, "key": "public_profile", "value": True})
    paths = ["/u/ada", "/u/ada/top/songs", "/u/ada/day/2026-11-23", "/u/ada/search", "/u/ada/2026"]
    said = f"{json.dumps(stored)} is stored as the timezone of ada , and names none."
    for path in paths:
        page = text_of(listened.client.get(path).text)
        assert said in page
        assert "zik user set ada --timezone Europe/Berlin" in page
    listened.client.cookies.clear()
    assert [path for path in paths if "names none" in listened.client.get(path).text] == []


def test_a_timezone_that_is_one_is_not_mentioned(listened: HttpServer) -> None:
    assert "names none" not in opened(listened, "/u/ada")
