"""Pages in a real browser: whole at each width, in light and dark, without scripts, for a keyboard, by axe's rules."""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect
from sqlalchemy import Engine

from tests.support.browser import chromium, chromium_path, reachable
from tests.support.door import announce_song
from tests.support.http_server import serving
from tests.support.pages import NOW, history_for_pages, publish
from tests.support.processes import url_of
from worker.contract.identity import album_identity, artist_identity, song_identity
from worker.http.application import Application
from worker.settings import load_settings

PHONE: Final = 390
DESKTOP: Final = 1280
LONG: Final = "x" * 500
HOSTILE: Final = (LONG, "\u202etxet desrever", "<script>document.title = 'broken'</script>", "\u3164", "日本語" * 100)
PAGES: Final = (
    "/sign-in", "/u/ada", "/u/ada/top/songs?period=year", "/u/ada/top/artists", "/u/ada/top/albums?period=all",
    "/u/ada/day/2026-11-23", "/u/ada/search", "/u/ada/search?q=s", "/u/ada/2026", "/u/ada/nothing",
    f"/u/ada/song/{song_identity('Artist 1', 'Song 1')}", f"/u/ada/artist/{artist_identity('Artist 1')}",
    f"/u/ada/album/{album_identity('Artist 1', 'Album 1')}", f"/u/ada/song/{song_identity(LONG, LONG)}",
)  # fmt: skip


class Site(NamedTuple):
    """`token` is ada's, who has a history with names of any kind."""

    url: str
    token: str


@pytest.fixture
def site(redis_url: str, sqlite: Engine) -> Iterator[Site]:
    chromium_path()
    settings = load_settings(redis_url=redis_url, database_url=url_of(sqlite))
    with serving(settings, sqlite, now=lambda: NOW) as server:
        publish(server, *history_for_pages(), *_hostile_plays())
        announce_song(redis_url, "ada", title=LONG, artist=HOSTILE[1])
        token = server.token
    with reachable(Application(settings, now=lambda: NOW)) as url:
        yield Site(url, token)


@pytest.fixture
def browser(site: Site) -> Iterator[Browser]:
    del site  # It is made first: then there is a loop in this thread.
    with chromium() as browser:
        yield browser


def _hostile_plays() -> Iterator[dict[str, Any]]:
    for number, name in enumerate(HOSTILE):
        song = {"title": name, "artist": name, "album": name}
        yield {"type": "play", "user": "ada", "time": f"2026-11-23T0{number}:00:00Z", "song": song}


def signed_in(context: BrowserContext, site: Site) -> Page:
    page = context.new_page()
    page.goto(f"{site.url}/")
    page.get_by_label("Paste a token").fill(site.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{site.url}/u/ada/")
    return page


class Seen:
    """What a page does that it must not: requests to elsewhere, errors."""

    def __init__(self, page: Page, site: Site) -> None:
        self.faults: list[str] = []
        self._own = site.url
        page.on("request", self._request)
        page.on("requestfailed", self._failed)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._console)

    def _request(self, request: Request) -> None:
        if not request.url.startswith(self._own):
            self.faults.append(f"asks for {request.url}")

    def _failed(self, request: Request) -> None:
        # The icon is fetched when all else is there, and no longer wanted when the next page is opened.
        if request.failure != "net::ERR_ABORTED":
            self.faults.append(f"{request.url}: {request.failure}")

    def _console(self, said: ConsoleMessage) -> None:
        # A page that says 404 is one; the browser calls that an error.
        if "404 (Not Found)" not in said.text:
            self.faults.append(said.text)


@pytest.mark.parametrize(("scheme", "scripts"), [("light", True), ("dark", True), ("light", False), ("dark", False)])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_each_page_is_whole(site: Site, browser: Browser, width: int, scheme: Any, *, scripts: bool) -> None:
    viewport = {"width": width, "height": 844}
    context = browser.new_context(viewport=viewport, color_scheme=scheme, java_script_enabled=scripts)  # type: ignore[arg-type] # a ViewportSize
    page = signed_in(context, site)
    seen = Seen(page, site)
    for path in PAGES:
        if path == "/sign-in":
            context.clear_cookies()
        elif path == PAGES[1]:
            page = signed_in(context, site)
            seen = Seen(page, site)
        page.goto(site.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.title() != "broken", path
        expect(page.locator("h1")).to_have_count(1)
        if scripts:
            _assert_accessible(page, path)
        assert seen.faults == [], path
    context.close()


def _assert_accessible(page: Page, path: str) -> None:
    found = Axe().run(page).response["violations"]
    serious = [
        (each["id"], each["nodes"][0]["html"][:200]) for each in found if each["impact"] in {"serious", "critical"}
    ]
    assert serious == [], path


def test_a_play_is_deleted_and_brought_back_by_hand_without_scripts(site: Site, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": PHONE, "height": 844}, java_script_enabled=False)
    page = signed_in(context, site)
    page.get_by_role("link", name=re.compile(r"^23 ?:")).last.click()
    day = page.url
    rows = page.locator(".plays tr")
    before = rows.count()
    page.get_by_role("button", name=re.compile("^Delete")).first.click()
    expect(page).to_have_url(day)
    expect(page.get_by_text("Deleted", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Delete"))).to_have_count(before - 1)
    page.get_by_role("button", name=re.compile("^Bring back")).click()
    expect(page.get_by_role("button", name=re.compile("^Delete"))).to_have_count(before)
    expect(page.get_by_text("Deleted", exact=True)).to_have_count(0)
    context.close()


def test_a_second_click_deletes_no_second_play(site: Site, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": DESKTOP, "height": 844}, java_script_enabled=False)
    page = signed_in(context, site)
    page.goto(f"{site.url}/u/ada/day/2026-11-23")
    delete = page.get_by_role("button", name=re.compile("^Delete"))
    before = delete.count()
    for verb, count in (("Delete", before - 1), ("Bring back", before)):
        box = page.get_by_role("button", name=re.compile(f"^{verb}")).first.bounding_box()
        assert box
        spot = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.click(*spot)
        expect(delete).to_have_count(count)
        page.mouse.click(*spot)
        page.wait_for_timeout(300)
        expect(delete).to_have_count(count)
    context.close()


def test_the_most_played_song_of_last_march_is_two_clicks_away(site: Site, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": PHONE, "height": 844})
    page = signed_in(context, site)
    page.get_by_role("link", name="Mar 2026").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Songs of Mar 2026")
    expect(page.locator(".top tbody tr").first).to_contain_text("Song")
    context.close()


def test_a_keyboard_skips_to_the_content(site: Site, browser: Browser) -> None:
    context = browser.new_context()
    page = signed_in(context, site)
    page.goto(f"{site.url}/u/ada/top/songs?period=year")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    loads: list[str] = []
    page.on("request", lambda request: loads.append(request.url))
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Songs", exact=True)).to_be_focused()
    assert [url for url in loads if "/page-assets/" not in url] == []
    context.close()


def test_a_page_reads_well_as_text(site: Site, browser: Browser) -> None:
    """As a text browser and a screen reader have it: numbers, not colours."""
    context = browser.new_context()
    page = signed_in(context, site)
    text = page.locator("main").aria_snapshot()
    assert re.search(r'link "\d+ : \d+"', text)
    assert re.search(r'row "Mon( \d+){24}"', text)
    context.close()
