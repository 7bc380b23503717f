"""A browser without a screen for tests of pages: sign in, send forms, read a page; and a history to look at."""

import json
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from html import unescape
from html.parser import HTMLParser
from typing import Any, Final, TypeVar

from tests.support.http_server import HttpServer
from worker.database.engine import snapshot
from worker.statistics import ListenRule, UserListening, find_listener

Result = TypeVar("Result")

# When the pages of `history_for_pages` are looked at: a Monday, late in the evening in Berlin.
NOW: Final = datetime(2026, 11, 23, 21, 30, tzinfo=UTC)
MOST_BYTES: Final = 60_000
_BERLIN_WINTER: Final = timezone(timedelta(hours=1))

_FORM: Final = re.compile(r'name="form" value="([0-9a-f]*)"')
_TAG: Final = re.compile(r"<[^>]*>")


def form_of(page: str) -> str:
    """What a form of the page carries against other sites."""
    found = _FORM.search(page)
    assert found, "the page has no form"
    return found[1]


def sign_in(server: HttpServer, token: str | None = None) -> Any:
    """Sign in as a person does, with ada's token, and return what opens. The client keeps the session."""
    page = server.client.get("/sign-in").text
    return server.client.post("/sign-in", data={"form": form_of(page), "token": token or server.token})


def text_of(page: str) -> str:
    """What is there to read, on one line."""
    body = page.partition("<body>")[2] or page
    return " ".join(unescape(_TAG.sub(" ", body)).split())


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags_of(page: str) -> list[tuple[str, dict[str, str | None]]]:
    """Each tag that opens, with its attributes, as a browser reads them."""
    parser = _Tags()
    parser.feed(page)
    parser.close()
    return parser.found


def publish(server: HttpServer, *events: dict[str, Any]) -> None:
    answers = server.post("/v1/events", b"\n".join(json.dumps(event).encode() for event in events)).json()["events"]
    assert [answer for answer in answers if answer["status"] != "accepted"] == []
    server.drain()


def ask(server: HttpServer, question: Callable[[UserListening], Result]) -> Result:
    with snapshot(server.engine) as session:
        connection = session.connection()
        return question(UserListening(connection, find_listener(connection, "ada").id, ListenRule()))


def opened(server: HttpServer, path: str) -> str:
    answer = server.client.get(path)
    assert answer.status_code == 200, path
    assert len(answer.content) <= MOST_BYTES, (path, len(answer.content))
    return str(answer.text)


def history_for_pages(plays: int = 400) -> list[dict[str, Any]]:
    """Ada's events of a year and a half, the same each time: few songs, some skips, each offset, one album without."""
    rng = random.Random(7)
    songs = [
        {
            "title": f"Song {number}",
            "artist": f"Artist {number % 5}",
            "duration_ms": 200_000,
            **({"album": f"Album {number % 3}"} if number % 4 else {}),
        }
        for number in range(12)
    ]
    events: list[dict[str, Any]] = [
        {"type": "preference", "user": "ada", "time": "2025-06-01T08:00:00Z", "key": "timezone", "value": "Asia/Tokyo"}
    ]
    for number in range(plays):
        at = NOW - timedelta(minutes=1 + number * 1_900 + rng.randrange(1_500))
        local = at.astimezone(_BERLIN_WINTER).isoformat() if rng.random() < 0.7 else f"{at:%Y-%m-%dT%H:%M:%SZ}"
        song = songs[min(11, int(rng.expovariate(0.3)))]
        events.append(
            {"type": "play", "user": "ada", "time": local, "song": song, "ms_played": rng.choice((200_000, 20_000))}
        )
    return events
