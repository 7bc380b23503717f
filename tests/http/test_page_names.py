"""Names on pages: whatever anyone calls a song, an artist or themselves, each page stays whole, small and harmless."""

import re
from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.door import announce_song
from tests.support.http_server import HttpServer
from tests.support.pages import MOST_BYTES, opened, publish, sign_in, tags_of, text_of
from worker.contract.identity import song_identity
from worker.pages.rendering import assets
from worker.statistics import Subject

HOSTILE: Final = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'-alert(1)-'", "{{ 7777 * 7777 }}{% raw %}",
    "&lt;b&gt;&amp;",
    "</title></main></body>", "javascript:alert(1)", "\u202eevil\u202d", "\u2066a\u2069", "x" * 500, "\U0001f3b5" * 500,
    "&" * 500, "\u0301" * 300, "\u3164", "\u2800", "\u200d\u200c", "\u00ad", "a\u0001b",
    "a\u2028b",
    "../../../etc/passwd", "%00", "日本語" * 160, "\u0627" * 500, "]]>", "-->",
]  # fmt: skip
OUR_TAGS: Final = {
    "html", "head", "meta", "base", "title", "link", "body", "a", "header", "nav", "form", "input", "button",
    "main", "h1", "h2", "section", "p", "time", "table", "colgroup", "col", "tbody", "thead", "tr", "th", "td",
    "small", "bdi", "details", "summary", "div", "b", "ol", "li", "span", "caption", "i", "footer", "em", "label",
}  # fmt: skip
OUR_SCRIPT: Final = ("script", {"type": "module", "src": next(path for path in assets() if path.endswith("/live.js"))})
OUR_LINK: Final = re.compile(r"(?:/|#|song|artist|album|top|day|search|left-out|\d{4}).*")


@pytest.fixture
def hostile(server_at_now: HttpServer) -> HttpServer:
    """Fifty plays of names that want to break a page."""
    server = server_at_now
    publish(
        server,
        *(
            {
                "type": "play",
                "user": "ada",
                "time": f"2026-11-23T{10 + number // 60:02}:{number % 60:02}:00Z",
                "song": {"title": name, "artist": HOSTILE[number % len(HOSTILE) - 1], "album": name},
            }
            for number, name in enumerate(HOSTILE * 2)
        ),
    )
    announce_song(server.settings.redis_url, "ada", title=HOSTILE[0], artist=HOSTILE[1])
    sign_in(server)
    return server


def pages_of(server: HttpServer) -> Iterator[tuple[str, str]]:
    """Each page of ada's, and those that it leads to."""
    first = ["/u/ada", "/u/ada/live", "/u/ada/day/2026-11-23", *(f"/u/ada/top/{subject}s" for subject in Subject)]
    found = list(
        dict.fromkeys(re.findall(r'"((?:song|artist|album)/[0-9a-f]{32})"', opened(server, "/u/ada/top/songs")))
    )
    for path in [*first, *(f"/u/ada/{each}" for each in found)]:
        yield path, opened(server, path)
    for name in HOSTILE:
        answer = server.client.get("/u/ada/search", params={"q": name})
        assert answer.status_code == 200
        assert len(answer.content) <= MOST_BYTES
        yield f"search for {name!r}", answer.text


def test_hostile_names_leave_every_page_whole(hostile: HttpServer) -> None:
    seen = 0
    for path, page in pages_of(hostile):
        seen += 1
        tags = [tag for tag in tags_of(page) if tag != OUR_SCRIPT]
        # Only our own: what a name brings along is text.
        assert {tag for tag, _ in tags} <= OUR_TAGS, path
        names = {name for _, attributes in tags for name in attributes}
        assert [name for name in names if name.startswith("on") or name == "style"] == [], path
        assert [link for _, attributes in tags if not OUR_LINK.fullmatch(link := attributes.get("href") or "/")] == []
        assert "60481729" not in text_of(page), path
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u202a-\u202e\u2066-\u2069]", page), path
        if "<html" in page:
            assert [page.count(end) for end in ("</title>", "</main>", "</body>")] == [1, 1, 1], path
        assert re.findall(r"<a [^>]*>\s*(?:<bdi>)?\s*(?:</bdi>)?\s*</a>", page) == [], path
    assert seen > 40


def test_a_name_without_anything_to_see_can_be_opened(hostile: HttpServer) -> None:
    page = opened(hostile, "/u/ada/top/songs")
    for name in ("\u3164", "\u2800", "\u200d\u200c"):
        assert f"<bdi>{name}</bdi>" not in page
    assert page.count("<bdi>(blank)</bdi>") >= 4
    identity = song_identity(HOSTILE[HOSTILE.index("\u3164") - 1], "\u3164")
    assert "(blank)" in text_of(opened(hostile, f"/u/ada/song/{identity}"))


def test_a_hostile_user_name_leaves_the_profile_whole(server_at_now: HttpServer) -> None:
    name = '"><script>\u202e'
    page = sign_in(server_at_now, server_at_now.new_token(name))
    assert page.status_code == 200
    assert [tag for tag in tags_of(page.text) if tag[0] == "script"] == [OUR_SCRIPT]
    assert "\u202e" not in page.text
