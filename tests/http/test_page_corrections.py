"""Corrections on pages: a play is deleted and brought back by its listener alone. And addresses of nothing."""

import re
from datetime import date
from typing import Any, NoReturn

import pytest

from tests.support.announced import listening
from tests.support.http_server import HttpServer
from tests.support.pages import ask, form_of, opened, publish, sign_in
from worker.database.engine import snapshot
from worker.errors import StreamUnavailableError
from worker.operations.corrections import Choice, FoundPlay, find
from worker.operations.tokens import Scope
from worker.statistics import find_listener
from worker.stream.async_stream import AsyncStream


def plays_of_day(server: HttpServer, day: str) -> list[FoundPlay]:
    return list(ask(server, lambda of: find(of.connection, of.user_id, Choice(day=date.fromisoformat(day)))))


def send(server: HttpServer, path: str, **sent: str) -> Any:
    return server.client.post(path, data=sent)


def test_a_play_is_deleted_and_brought_back(listened: HttpServer) -> None:
    day = "2026-11-23"
    before = plays_of_day(listened, day)
    page = opened(listened, f"/u/ada/day/{day}")
    listed = opened(listened, "/u/ada/live")
    after = send(listened, f"/u/ada/day/{day}/delete", form=form_of(page), play=str(before[0].id))
    assert (after.status_code, after.url.path) == (200, f"/u/ada/day/{day}")
    assert after.text.count('class="gone"') == 1
    assert re.findall(r'name="play" value="([^"]+)"', after.text) == [str(play.id) for play in before]
    assert plays_of_day(listened, day) == before[1:]
    assert opened(listened, "/u/ada/live") != listed
    again = send(listened, f"/u/ada/day/{day}/restore", form=form_of(after.text), play=str(before[0].id))
    assert 'class="gone"' not in again.text
    assert plays_of_day(listened, day) == before
    assert opened(listened, "/u/ada/live") == listed


def test_open_pages_learn_of_a_correction(listened: HttpServer) -> None:
    day = "/u/ada/day/2026-11-23"
    play = str(plays_of_day(listened, "2026-11-23")[0].id)
    with listening(listened.settings.redis_url) as ear:
        page = send(listened, f"{day}/delete", form=form_of(opened(listened, day)), play=play).text
        assert ear.listen() == [["ada"]]
        send(listened, f"{day}/restore", form=form_of(page), play=play)
        assert ear.listen() == [["ada"]]


def test_a_correction_that_cannot_be_announced_is_made(listened: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: object) -> NoReturn:
        raise StreamUnavailableError("this user may not publish on the channel")

    before = plays_of_day(listened, "2026-11-23")
    form = form_of(opened(listened, "/u/ada/day/2026-11-23"))
    monkeypatch.setattr(AsyncStream, "announce_changed", refused)
    assert send(listened, "/u/ada/day/2026-11-23/delete", form=form, play=str(before[0].id)).status_code == 200
    assert plays_of_day(listened, "2026-11-23") == before[1:]


@pytest.mark.parametrize("action", ["delete", "restore"])
def test_a_form_of_another_site_corrects_nothing(listened: HttpServer, action: str) -> None:
    before = plays_of_day(listened, "2026-11-23")
    answer = send(listened, f"/u/ada/day/2026-11-23/{action}", form="0" * 32, play=str(before[0].id))
    assert answer.status_code == 403
    assert plays_of_day(listened, "2026-11-23") == before


@pytest.mark.parametrize(
    ("user", "scopes"), [("bob", (Scope.SUBMIT, Scope.READ)), ("ada", (Scope.READ,)), ("bob", (Scope.READ,))]
)
def test_only_who_may_submit_for_a_user_corrects_their_plays(
    listened: HttpServer, user: str, scopes: tuple[Scope, ...]
) -> None:
    before = plays_of_day(listened, "2026-11-23")
    page = sign_in(listened, listened.new_token(user, *scopes, name="another")).text
    answer = send(listened, "/u/ada/day/2026-11-23/delete", form=form_of(page), play=str(before[0].id))
    assert answer.status_code == 404
    assert plays_of_day(listened, "2026-11-23") == before
    if user == "ada":
        assert 'name="play"' not in opened(listened, "/u/ada/day/2026-11-23")


def test_a_play_of_another_user_is_not_deleted(listened: HttpServer) -> None:
    bob = {"type": "play", "user": "bob", "time": "2026-11-23T09:00:00Z", "song": {"title": "B", "artist": "B"}}
    token = listened.new_token("bob")
    assert listened.post("/v1/events", bob, token=token).status_code == 200
    listened.drain()
    with snapshot(listened.engine) as session:
        connection = session.connection()
        (play,) = find(connection, find_listener(connection, "bob").id, Choice())
    page = opened(listened, "/u/ada/day/2026-11-23")
    send(listened, "/u/ada/day/2026-11-23/delete", form=form_of(page), play=str(play.id))
    with snapshot(listened.engine) as session:
        connection = session.connection()
        assert find(connection, find_listener(connection, "bob").id, Choice()) == [play]


def test_what_was_deleted_is_not_shown_to_everyone(listened: HttpServer) -> None:
    public = {
        "type": "preference",
        "user": "ada",
        "time": "2026-11-22T08:00:00Z",
        "key": "public_profile",
        "value": True,
    }
    publish(listened, public)
    day = "/u/ada/day/2026-11-23"
    page = opened(listened, day)
    play = plays_of_day(listened, "2026-11-23")[0]
    send(listened, f"{day}/delete", form=form_of(page), play=str(play.id))
    listened.client.cookies.clear()
    seen = opened(listened, day)
    assert 'class="gone"' not in seen
    assert "<form" not in seen


def test_a_long_day_has_pages(server_at_now: HttpServer) -> None:
    plays = [
        {
            "type": "play",
            "user": "ada",
            "time": f"2026-11-20T{n // 60:02}:{n % 60:02}:00Z",
            "song": {"title": "x" * 500, "artist": f"{n}" * 160},
        }
        for n in range(230)
    ]
    publish(server_at_now, *plays)
    sign_in(server_at_now)
    seen = []
    for number in (1, 2, 3):
        page = opened(server_at_now, f"/u/ada/day/2026-11-20?page={number}")
        seen += re.findall(r'name="play" value="([^"]+)"', page)
        assert f'?page={number}" aria-current="page"' in page
    assert seen == [str(play.id) for play in plays_of_day(server_at_now, "2026-11-20")]


# --- Addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "nothing", "top/genres", "top/songs?period=hour", "top/songs?at=soon", "top/songs?at=1999-01-01", "day/today",
        "day/2026-02-30", "day/9999-12-31", "song/0", "song/00000000000000000000000000000000", "artist/x", "genre/rock",
        "0", "9999", "99999999999999999999", "day/2026-11-23/delete",
    ],
)  # fmt: skip
def test_an_address_of_nothing_is_a_page_that_says_so(listened: HttpServer, path: str) -> None:
    answer = listened.client.get(f"/u/ada/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is no such page" in answer.text


def test_a_year_without_plays_says_so(listened: HttpServer) -> None:
    answer = listened.client.get("/u/ada/1999")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "Nothing was played in that year." in answer.text
