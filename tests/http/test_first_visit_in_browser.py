"""What someone who has never seen zik looks for, found in a real browser by visible words from the first page on."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine

from tests.support.browser import chromium, chromium_path, reachable
from tests.support.http_server import serving
from tests.support.pages import NOW, history_for_pages, publish
from tests.support.processes import url_of
from worker.http.application import Application
from worker.settings import load_settings

SONG: Final = {"title": "Parabola", "artist": "Tool"}
# Last March; its first song leads by far.
MARCH: Final = [
    {"type": "play", "user": "ada", "time": f"2026-03-{day:02}T12:00:00Z", "song": SONG} for day in range(1, 29)
]
TOO_SHORT: Final = {**MARCH[0], "source": "phone/5.4.2", "song": {"title": "Schism", "artist": "Tool"}, "ms_played": -1}

# What it deletes is read out, too.
DELETE: Final = re.compile(r"^Delete\b")


class Site(NamedTuple):
    url: str
    token: str


class Visitor:
    """Someone at the page after signing in, who reads and clicks. `clicks` counts."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = 0

    def click(self, text: str | re.Pattern[str]) -> None:
        self.page.get_by_text(text, exact=True).filter(visible=True).first.click(timeout=10_000)
        self.clicks += 1

    def sees(self, text: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_text(text).filter(visible=True).first).to_be_visible()


@pytest.fixture
def site(redis_url: str, sqlite: Engine) -> Iterator[Site]:
    chromium_path()
    settings = load_settings(redis_url=redis_url, database_url=url_of(sqlite))
    with serving(settings, sqlite, now=lambda: NOW) as server:
        publish(server, *history_for_pages(), *MARCH)
        # The server refuses it, and keeps it for the desk.
        server.post("/v1/events", TOO_SHORT)
        server.drain()
        token = server.token
    with reachable(Application(settings, now=lambda: NOW)) as url:
        yield Site(url, token)


@pytest.fixture(params=[390, 1280])
def visitor(site: Site, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    # After the site: then there is a loop in this thread.
    with chromium() as browser:
        yield Visitor(_signed_in(browser, site, request.param))


def _signed_in(browser: Browser, site: Site, width: int) -> Page:
    page = browser.new_context(viewport={"width": width, "height": 844}).new_page()
    page.goto(site.url)
    page.get_by_label("Paste a token").fill(site.token)
    page.get_by_text("Sign in", exact=True).click()
    return page


def test_the_most_played_song_of_last_march(visitor: Visitor) -> None:
    visitor.click("Top")
    visitor.click("Songs")
    visitor.click("Mar")
    visitor.sees("Songs of Mar 2026")
    expect(visitor.page.get_by_role("row").nth(1)).to_contain_text("Parabola")
    assert visitor.clicks == 3


def test_the_play_to_delete_among_the_last(visitor: Visitor) -> None:
    visitor.sees("Open a day to delete a play.")
    visitor.click("23 Nov 2026")
    visitor.click(DELETE)
    visitor.sees("Deleted")
    visitor.sees("Bring back")
    assert visitor.clicks == 2


def test_the_play_to_delete_long_ago(visitor: Visitor) -> None:
    visitor.click("Search")
    visitor.page.keyboard.press("Tab")
    visitor.page.get_by_label("A song, an artist or an album").fill("parab")
    visitor.page.keyboard.press("Enter")
    visitor.click("Parabola")
    visitor.sees("Day by day")
    visitor.click("14 Mar 2026")
    visitor.click(DELETE)
    visitor.sees("Bring back")
    assert visitor.clicks == 4


def test_why_an_event_was_not_recorded(visitor: Visitor) -> None:
    visitor.click("Not recorded")
    visitor.sees("These events of yours were not recorded.")
    visitor.sees("Schism")
    visitor.sees("The player sent a length of listening that cannot be right.")
    visitor.sees(re.compile("ms_played: .*greater than or equal to 0"))
    visitor.sees("phone/5.4.2")
    visitor.click("What the player sent")
    visitor.sees(re.compile('"ms_played":'))
    assert visitor.clicks == 2
