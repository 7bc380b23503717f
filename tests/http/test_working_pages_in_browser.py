"""The live page, the import and the operator's desk in a real browser, clicked through with and without scripts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine

from tests.support.browser import chromium, chromium_path, reachable
from tests.support.http_server import HttpServer, serving
from tests.support.processes import eventually, url_of
from worker.drain.opening import opened_drain
from worker.http.application import Application
from worker.operations.tokens import Scope
from worker.settings import Settings, load_settings
from worker.stream.consumer import EventStream

PHONE: Final = 390
DESKTOP: Final = 1280
SONG: Final = {"title": "Parabola", "artist": "Tool"}
PLAY: Final = {"type": "play", "time": "2023-05-01T10:00:00Z", "user": "ada", "source": "mpd/0.23", "song": SONG}
WRONG: Final = {**PLAY, "ms_played": -1, "context": {"x": "y" * 600}}
TABLE: Final = (
    b"title,artist,time\nSchism,Tool,2023-05-01T09:00:00Z\nLateralus,Tool,2023-05-02T09:00:00Z\nNo time,Tool,\n"
)


class Site:
    """A server that a browser reaches. `ada` and `root` are tokens; root administers."""

    def __init__(self, url: str, settings: Settings, server: HttpServer) -> None:
        self.url, self.settings = url, settings
        self.ada = server.token
        self.root = server.new_token("root", Scope.ADMIN, name="desk")

    def record(self, *events: Any) -> None:
        with EventStream.opened(self.settings.redis_url) as stream:
            stream.append([json.dumps(event).encode() for event in events])
        self.drain()

    def drain(self) -> None:
        with opened_drain(self.settings, consumer="test") as drain:
            drain.run()

    def open(self, browser: Browser, token: str, path: str, **context: Any) -> Page:
        page = browser.new_context(**context).new_page()
        page.goto(f"{self.url}/")
        page.get_by_label("Paste a token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        page.goto(self.url + path)
        return page


@pytest.fixture
def site(redis_url: str, sqlite: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    chromium_path()
    kept = tmp_path / "kept"
    kept.mkdir()
    settings = load_settings(redis_url=redis_url, database_url=url_of(sqlite))
    with serving(settings, sqlite) as server, reachable(Application(settings)) as url:
        monkeypatch.setattr("tempfile.tempdir", str(kept))
        site = Site(url, settings, server)
        site.record(PLAY)
        yield site
        monkeypatch.undo()


@pytest.fixture
def browser(site: Site) -> Iterator[Browser]:
    del site  # It is made first: then there is a loop in this thread.
    with chromium() as browser:
        yield browser


def view(width: int) -> dict[str, Any]:
    return {"viewport": {"width": width, "height": 844}}


def test_a_committed_play_comes_to_the_open_page_and_the_focus_stays(site: Site, browser: Browser) -> None:
    page = site.open(browser, site.ada, "/u/ada")
    expect(page.locator(".poster")).to_have_text("Parabola")
    page.evaluate("window.isTheSame = true")
    page.locator(".latest").get_by_role("link", name="Parabola").focus()
    site.record({**PLAY, "time": "2023-05-01T11:00:00Z", "song": {"title": "Schism", "artist": "Tool"}})
    expect(page.locator(".poster")).to_have_text("Schism")
    expect(page.locator(".latest").get_by_role("link", name="Parabola")).to_be_focused()
    assert page.evaluate("window.isTheSame")


def test_a_deletion_comes_to_the_open_page_though_nothing_else_happens(site: Site, browser: Browser) -> None:
    site.record({**PLAY, "time": "2023-05-02T11:00:00Z", "song": {"title": "Schism", "artist": "Tool"}})
    page = site.open(browser, site.ada, "/u/ada")
    expect(page.locator(".poster")).to_have_text("Schism")
    # Its stream is open: what it shows next it has heard.
    site.record({**PLAY, "time": "2023-05-02T12:00:00Z", "song": {"title": "Lateralus", "artist": "Tool"}})
    expect(page.locator(".poster")).to_have_text("Lateralus")
    other = site.open(browser, site.ada, "/u/ada/day/2023-05-02")
    other.get_by_role("button", name="Delete Lateralus").click()
    expect(page.locator(".poster")).to_have_text("Schism")


def test_an_opened_list_stays_open_when_the_page_changes(site: Site, browser: Browser) -> None:
    site.record(*({**PLAY, "time": f"2023-05-02T10:{minute:02d}:00Z"} for minute in range(20)))
    page = site.open(browser, site.ada, "/u/ada")
    page.locator("#live summary").click()
    site.record({**PLAY, "time": "2023-05-03T11:00:00Z", "song": {"title": "Schism", "artist": "Tool"}})
    expect(page.locator(".poster")).to_have_text("Schism")
    assert page.locator("#live details").get_attribute("open") is not None


def test_a_page_that_signed_out_elsewhere_stops_asking(site: Site, browser: Browser) -> None:
    page = site.open(browser, site.ada, "/u/ada")
    # Its stream is open: what it shows next it has heard. Signed out before, it would learn of it from a poll only.
    site.record({**PLAY, "time": "2023-05-02T11:00:00Z", "song": {"title": "Schism", "artist": "Tool"}})
    expect(page.locator(".poster")).to_have_text("Schism")
    statuses: list[int] = []
    page.on("response", lambda answer: statuses.append(answer.status) if answer.url.endswith("/live") else None)
    page.context.clear_cookies()
    for minute in range(60):
        site.record({**PLAY, "time": f"2023-05-03T11:{minute:02d}:00Z"})
        page.wait_for_timeout(500)
        if 404 in statuses:
            break
    asked = len(statuses)
    site.record({**PLAY, "time": "2023-05-04T11:00:00Z"})
    page.wait_for_timeout(1_500)
    assert (statuses[-1], len(statuses)) == (404, asked)
    expect(page.locator(".poster")).to_have_text("Schism")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_history_is_imported_and_taken_back(site: Site, browser: Browser, *, scripts: bool) -> None:
    page = site.open(browser, site.ada, "/u/ada", java_script_enabled=scripts)
    page.get_by_role("link", name="Import").click()
    page.get_by_label("Choose the file").set_input_files({"name": "plays.csv", "mimeType": "text/csv", "buffer": TABLE})
    page.get_by_role("button", name="Look what is in it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 events to import.")
    page.get_by_text("The first of them").click()
    expect(page.get_by_text("plays.csv", exact=True).last).to_be_visible()
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Published.")
    site.drain()
    expect(page.get_by_role("heading", level=1)).to_have_text("Imported.")
    expect(page.locator(".outcomes")).to_contain_text("2")
    page.get_by_text("Take it back…").click()
    page.get_by_role("button", name="Delete its plays").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Taken back.")
    expect(page.locator("main")).to_contain_text("2 plays deleted")


@pytest.mark.parametrize("scripts", [True, False])
def test_the_desk_is_worked_at(site: Site, browser: Browser, *, scripts: bool) -> None:
    site.record(WRONG, {**WRONG, "time": "2023-05-02T10:00:00Z"})
    page = site.open(browser, site.root, "/u/root", java_script_enabled=scripts)
    page.get_by_role("link", name="Operations").click()
    page.get_by_role("link", name="out_of_range").click()
    page.locator("tbody th a").first.click()
    expect(page.locator("pre")).to_contain_text('"ms_played": -1')
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("status")).to_contain_text("1 still refused")
    page.get_by_role("link", name="Dead letters").click()
    page.locator("tbody th a").first.click()
    page.get_by_text("Discard…").click()
    page.get_by_role("button", name="Discard for good").click()
    expect(page.get_by_role("status")).to_contain_text("1 deleted for good")
    page.locator("main").get_by_role("link", name="Operations").click()
    page.get_by_label("A new token for the user").fill("bob")
    page.get_by_label("named after its player").fill("phone")
    page.get_by_role("button", name="Create").click()
    token = page.locator("pre").inner_text()
    page.get_by_role("link", name="Operations").last.click()
    page.get_by_text("Revoke… phone of bob").click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Revoked.")
    eventually(lambda: not _opens(site, browser, token), within_s=10)


def _opens(site: Site, browser: Browser, token: str) -> bool:
    page = browser.new_context().new_page()
    page.goto(f"{site.url}/")
    page.get_by_label("Paste a token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    return page.get_by_role("alert").count() == 0


def test_the_books_are_live(site: Site, browser: Browser) -> None:
    page = site.open(browser, site.root, "/ops")
    expect(page.locator("#live dd").first).to_have_text("1")
    site.record({**PLAY, "time": "2023-05-01T11:00:00Z"})
    expect(page.locator("#live dd").first).to_have_text("2")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_each_page_is_whole_and_accessible(site: Site, browser: Browser, width: int, scheme: str) -> None:
    site.record(WRONG, {**WRONG, "source": "x" * 500, "song": {"title": "\u202eb" * 90, "artist": "y" * 500}})
    site.record({**PLAY, "time": "2023-05-01T12:00:00Z", "context": {"import": "0a0b0c0d"}})
    page = site.open(browser, site.root, "/ops", color_scheme=scheme, **view(width))
    for path in ("/ops", "/ops/letters", "/ops/letters?reason=out_of_range", "/ops/letters/1"):
        _assert_whole(page, site.url + path, width)
    page = site.open(browser, site.ada, "/import", color_scheme=scheme, **view(width))
    for path in ("/import", "/not-recorded", "/settings", "/u/ada/left-out"):
        _assert_whole(page, site.url + path, width)
    page.goto(f"{site.url}/import")
    page.get_by_label("Choose the file").set_input_files({"name": "x" * 300, "mimeType": "text/csv", "buffer": TABLE})
    page.get_by_role("button", name="Look what is in it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 events to import.")
    _assert_whole(page, page.url, width)


def _assert_whole(page: Page, url: str, width: int) -> None:
    page.goto(url)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, url
    found = Axe().run(page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in {"serious", "critical"}] == [], url
