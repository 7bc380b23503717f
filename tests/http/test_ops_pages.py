"""The operator's page: the books, the desk and the tokens, for administrators alone; and a listener's own letters."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from sqlalchemy import Engine

from tests.support.http_server import HttpServer, serving
from tests.support.pages import form_of, sign_in, text_of
from tests.support.processes import eventually, url_of
from worker.operations import dead_letters
from worker.operations.tokens import Scope
from worker.settings import load_settings
from worker.stream.consumer import EventStream

PLAY: Final = {"type": "play", "time": "2023-05-01T10:00:00Z", "user": "ada", "source": "mpd/0.23",
               "song": {"title": "Parabola", "artist": "Tool"}}  # fmt: skip
WRONG: Final = {**PLAY, "ms_played": -1}
HOSTILE: Final = "<script>alert(1)</script><img src=x onerror=alert(1)>\u202e\x1b[31m"


@pytest.fixture
def desk(redis_url: str, engine: Engine) -> Iterator[HttpServer]:
    """A server whose database role may do what a worker's may. Root, an administrator, is signed in."""
    with serving(load_settings(redis_url=redis_url, database_url=url_of(engine)), engine) as server:
        sign_in(server, server.new_token("root", Scope.ADMIN, name="desk"))
        yield server


def publish(server: HttpServer, *payloads: Any) -> None:
    with EventStream.opened(server.settings.redis_url) as stream:
        stream.append([each if isinstance(each, bytes) else json.dumps(each).encode() for each in payloads])
    server.drain()


def only_letter(server: HttpServer) -> int:
    [number] = dead_letters.numbers(server.engine)
    return number


def send(server: HttpServer, path: str, **fields: Any) -> Any:
    return server.client.post(path, data={"form": form_of(server.client.get("/ops").text), **fields})


def books_of(page: str) -> dict[str, int]:
    found = re.findall(r"<dt>[=+ ]*(\w+)</dt><dd[^>]*>([\d,]+)</dd>", page)
    return {name: int(figure.replace(",", "")) for name, figure in found}


def test_the_books_on_the_page_balance(desk: HttpServer) -> None:
    publish(desk, PLAY, PLAY, WRONG)
    with EventStream.opened(desk.settings.redis_url) as stream:
        stream.append([b"{}"])
    books = books_of(desk.client.get("/ops").text)
    assert books == {"received": 4, "recorded": 1, "duplicate": 1, "dead": 1, "waiting": 1}


def test_what_was_lost_by_others_is_seen(desk: HttpServer) -> None:
    publish(desk, PLAY)
    desk.redis().hset("zik:{events}:books", "recorded", 0)
    page = desk.client.get("/ops").text
    assert "1 unaccounted for." in text_of(page)


def test_letters_are_counted_by_reason_and_client(desk: HttpServer) -> None:
    publish(desk, WRONG, {**WRONG, "source": "cmus/1"}, {**WRONG, "time": "2023-05-02T10:00:00Z"}, b"no JSON")
    seen = text_of(desk.client.get("/ops").text)
    assert "out_of_range 3" in seen
    assert "invalid_json 1" in seen
    assert "mpd/0.23 2, unknown 1, cmus/1 1 are the clients of the latest 4." in seen


def test_a_letter_is_shown_tried_again_and_the_books_follow(desk: HttpServer) -> None:
    publish(desk, WRONG)
    number = only_letter(desk)
    page = desk.client.get(f"/ops/letters/{number}").text
    assert "mpd/0.23" in page
    assert "still refused" in text_of(send(desk, "/ops/letters/retry", id=number).text)
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE dead_letters SET payload = " + _bytes(desk, json.dumps(PLAY)))
    said = text_of(send(desk, "/ops/letters/retry", id=number).text)
    assert "1 recorded, 0 there already, 0 still refused" in said
    assert books_of(desk.client.get("/ops").text) == {
        "received": 1, "recorded": 1, "duplicate": 0, "dead": 0, "waiting": 0
    }  # fmt: skip
    assert len(desk.plays()) == 1


def _bytes(server: HttpServer, text: str) -> str:
    literal = text.encode().hex()
    return f"x'{literal}'" if server.engine.dialect.name == "sqlite" else f"'\\x{literal}'::bytea"


def test_all_letters_of_a_reason_are_discarded_at_once(desk: HttpServer) -> None:
    publish(desk, WRONG, {**WRONG, "time": "2023-05-02T10:00:00Z"}, b"no JSON")
    assert "2 deleted for good" in text_of(send(desk, "/ops/letters/discard", reason="out_of_range").text)
    assert len(dead_letters.numbers(desk.engine)) == 1


def test_letters_come_page_by_page(desk: HttpServer) -> None:
    publish(desk, *({**WRONG, "time": f"2023-05-01T10:{n:02d}:00Z"} for n in range(60)))
    page = desk.client.get("/ops/letters?reason=out_of_range").text
    assert page.count('<th scope="row">') == 50
    older = re.search(r'href="(/ops/letters\?[^"]*before=\d+)"', page)
    assert older
    assert desk.client.get(older[1].replace("&amp;", "&")).text.count('<th scope="row">') == 10


@pytest.mark.parametrize("payload", [
    {**WRONG, "source": HOSTILE, "song": {"title": HOSTILE, "artist": HOSTILE}, "user": HOSTILE},
    HOSTILE.encode(), b"\xff\x00\xfe", b"", b"x" * 20_000, b"[" * 5_000, {"a": "\u2028</pre></code>"},
    {**WRONG, "source": "x" * 500},
])  # fmt: skip
def test_hostile_payloads_are_text_on_every_page(desk: HttpServer, payload: Any) -> None:
    publish(desk, payload)
    for path in ("/ops", "/ops/letters", f"/ops/letters/{only_letter(desk)}"):
        answer = desk.client.get(path)
        assert answer.status_code == 200
        main = answer.text.partition("<main")[2]
        assert len(answer.content) < 60_000
        assert "<img" not in main
        assert "<script" not in main
        assert not set("\u202e\x1b\x00") & set(main)
        assert main.count("</pre>") == main.count("<pre")


def test_a_token_is_made_shown_once_and_works(desk: HttpServer) -> None:
    answer = send(desk, "/ops/tokens", user="bob", name="phone", submit="1")
    found = re.search(r"<code>([0-9a-f-]{36})</code>", answer.text)
    assert found
    assert answer.headers["cache-control"] == "no-store"
    assert desk.post("/v1/events", {**PLAY, "user": "bob"}, token=found[1]).status_code == 200
    page = desk.client.get("/ops").text
    assert found[1] not in page
    assert "phone submit" in text_of(page)


def test_a_token_is_revoked_at_once(desk: HttpServer) -> None:
    assert desk.post("/v1/events", PLAY).status_code == 200
    page = desk.client.get("/ops").text
    found = re.search(
        r'Revoke…<span class="unseen"> test of ada</span></summary>.*?name="id" value="(\d+)"', page, re.DOTALL
    )
    assert found
    assert "Revoked." in text_of(send(desk, "/ops/tokens/revoke", id=found[1]).text)
    eventually(lambda: desk.post("/v1/events", PLAY).status_code == 401, within_s=10)


@pytest.mark.parametrize(
    "fields",
    [
        {"user": "bob", "name": "x"},
        {"user": "", "name": "x", "read": "1"},
        {"user": "bob", "name": "", "read": "1"},
        {"user": "bob", "name": "\x00", "read": "1"},
        {"user": "root", "name": "desk", "read": "1"},
        {"user": "x" * 65, "name": "x", "read": "1"},
    ],
)
def test_a_token_that_cannot_be_made_says_why(desk: HttpServer, fields: Any) -> None:
    before = text_of(desk.client.get("/ops").text).count("never")
    assert send(desk, "/ops/tokens", **fields).status_code == 400
    assert text_of(desk.client.get("/ops").text).count("never") == before


def test_the_desk_is_not_there_for_anyone_else(desk: HttpServer) -> None:
    publish(desk, WRONG)
    form = form_of(desk.client.get("/ops").text)
    paths = ("/ops", "/ops/live", "/ops/events", "/ops/letters", f"/ops/letters/{only_letter(desk)}")
    actions = ("/ops/letters/retry", "/ops/letters/discard", "/ops/tokens", "/ops/tokens/revoke")
    for token in (None, desk.token):
        desk.client.cookies.clear()
        if token:
            form = form_of(sign_in(desk, token).text)
        assert {desk.client.get(path).status_code for path in paths} == {404}
        sent = {"form": form, "id": only_letter(desk), "user": "bob", "name": "x", "admin": "1"}
        assert {desk.client.post(path, data=sent).status_code for path in actions} == {404}
    assert len(dead_letters.numbers(desk.engine)) == 1


@pytest.mark.parametrize("path", ["letters/retry", "letters/discard", "tokens", "tokens/revoke"])
def test_a_form_of_another_site_changes_nothing(desk: HttpServer, path: str) -> None:
    publish(desk, WRONG)
    sent = {"form": "0" * 32, "id": only_letter(desk), "user": "bob", "name": "x", "admin": "1"}
    assert desk.client.post(f"/ops/{path}", data=sent).status_code == 403
    assert len(dead_letters.numbers(desk.engine)) == 1


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 30, "²", "1.0"])
def test_a_letter_that_is_not_there_is_no_page(desk: HttpServer, number: str) -> None:
    assert desk.client.get(f"/ops/letters/{number}").status_code == 404


def test_a_server_with_few_rights_reads_the_desk_and_says_how_to_change_it(server: HttpServer) -> None:
    publish(server, WRONG)
    sign_in(server, server.new_token("root", Scope.ADMIN, name="desk"))
    number = only_letter(server)
    assert server.client.get(f"/ops/letters/{number}").status_code == 200
    if server.engine.dialect.name == "sqlite":
        return
    for path, fields in (
        ("letters/retry", {"id": number}), ("letters/discard", {"id": number}),
        ("tokens", {"user": "bob", "name": "x", "read": "1"}), ("tokens/revoke", {"id": 1}),
    ):  # fmt: skip
        answer = send(server, f"/ops/{path}", **fields)
        assert answer.status_code == 403, path
        assert "GRANT zik_worker TO zik_door" in answer.text
    assert dead_letters.numbers(server.engine) == [number]


# --- A listener's own ---------------------------------------------------------------------------


def test_a_listener_sees_what_was_not_recorded_and_why_and_nobody_elses(server: HttpServer) -> None:
    publish(server, WRONG, {**WRONG, "user": "bob", "song": {"title": "Bobs", "artist": "b"}}, b'{"user": "ada"',
            json.dumps([WRONG, {**WRONG, "user": "bob"}]).encode())  # fmt: skip
    profile = sign_in(server).text
    assert '<a href="/not-recorded">' in profile
    seen = text_of(server.client.get("/not-recorded").text)
    assert "Parabola Tool The player sent a length of listening that cannot be right. out_of_range : ms_played:" in seen
    assert "mpd/0.23" in seen
    assert "bob" not in seen.lower()
    assert seen.count("letter ") == 1


def test_without_letters_the_page_says_so(server: HttpServer) -> None:
    sign_in(server)
    assert "Not recorded: nothing." in text_of(server.client.get("/not-recorded").text)
    server.client.cookies.clear()
    assert server.client.get("/not-recorded").status_code == 404
