"""The weeks, months and years that tops offer: those of the history, and no other."""

import re
from datetime import date

from tests.support.http_server import HttpServer
from tests.support.pages import opened, publish, sign_in, text_of
from worker.pages.choices import Choice, choices
from worker.statistics import Period, Span, span

HISTORY = Span(Period.ALL, date(2025, 6, 14), date(2026, 11, 23))


def name_of(choice: Choice | None) -> str | None:
    return choice.name if choice else None


def offered(period: Period, at: date) -> tuple[str | None, str, list[str], str | None]:
    found = choices(span(period, at), HISTORY)
    names = [each.name for each in found.listed]
    return name_of(found.before), found.group, names, name_of(found.after)


def test_months_are_those_of_one_year_and_of_the_history() -> None:
    of_2026 = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov"]
    assert offered(Period.MONTH, date(2026, 11, 3)) == ("2025", "2026", of_2026, None)
    of_2025 = ["Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    assert offered(Period.MONTH, date(2025, 8, 3)) == (None, "2025", of_2025, "2026")


def test_another_year_leads_to_the_same_month_or_to_the_nearest_with_plays() -> None:
    def around(at: date) -> tuple[date | None, ...]:
        found = choices(span(Period.MONTH, at), HISTORY)
        return tuple(each.span.first if each else None for each in (found.before, found.after))

    assert around(date(2026, 8, 1)) == (date(2025, 8, 1), None)
    assert around(date(2026, 1, 1)) == (date(2025, 6, 1), None)
    assert around(date(2025, 12, 1)) == (None, date(2026, 11, 1))


def test_weeks_are_those_that_begin_in_one_month() -> None:
    assert offered(Period.WEEK, date(2026, 11, 20)) == (
        "Oct 2026",
        "Nov 2026",
        ["2 Nov", "9 Nov", "16 Nov", "23 Nov"],
        None,
    )
    assert offered(Period.WEEK, date(2026, 10, 26))[3] == "Nov 2026"
    # The history begins on a Saturday: its week is there, those before it are not.
    assert offered(Period.WEEK, date(2025, 6, 20)) == (
        None,
        "Jun 2025",
        ["9 Jun", "16 Jun", "23 Jun", "30 Jun"],
        "Jul 2025",
    )


def test_years_are_all_of_the_history() -> None:
    assert offered(Period.YEAR, date(2026, 1, 1)) == (None, "", ["2025", "2026"], None)


def test_neighbours_are_neither_before_the_history_nor_to_come() -> None:
    for period in (Period.WEEK, Period.MONTH, Period.YEAR):
        first, last = choices(span(period, HISTORY.first), HISTORY), choices(span(period, HISTORY.last), HISTORY)
        assert (first.earlier, last.later) == (None, None)
        assert first.later
        assert last.earlier


def test_a_span_outside_of_the_history_leads_into_it() -> None:
    assert offered(Period.MONTH, date(2019, 3, 1)) == (None, "2019", [], "2025")
    assert offered(Period.WEEK, date(2030, 3, 1)) == ("Nov 2026", "Feb 2030", [], None)


def test_the_pages_offer_the_months_since_the_first_play(listened: HttpServer) -> None:
    page = opened(listened, "/u/ada/top/artists?period=month&at=2025-08-01")
    assert "2025: Jun Jul Aug Sep Oct Nov Dec 2026 →" in text_of(page)
    assert "2024" not in page.partition("<table")[0]
    assert "Listens, Jul 2025" in text_of(page)
    # Above the rows, where the choice is; below them once more, where they are many.
    assert page.index('rel="prev"') < page.index("<table")


def test_tops_say_where_they_stop(server_at_now: HttpServer) -> None:
    def song(number: int) -> dict[str, str]:
        return {"title": f"Song {number}", "artist": "Tool"}

    plays = [
        {"type": "play", "user": "ada", "time": f"2026-11-20T{n // 60:02}:{n % 60:02}:00Z", "song": song(n)}
        for n in range(51)
    ]
    publish(server_at_now, *plays[:50])
    sign_in(server_at_now)
    top = "/u/ada/top/songs?period=month"
    assert "there are more" not in opened(server_at_now, top)
    assert "there are more" not in opened(server_at_now, "/u/ada/search?q=tool")
    publish(server_at_now, plays[50])
    assert "The first 50 songs; there are more." in text_of(opened(server_at_now, top))
    found = opened(server_at_now, "/u/ada/search?q=song")
    assert "These are the 20 heard most; there are more." in text_of(found)
    assert len(re.findall(r'href="song/', found)) == 20
