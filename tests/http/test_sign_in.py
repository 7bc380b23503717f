"""Sign-in with a token: what a session may see, when it ends, and what other sites cannot do with it."""

import re
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

from tests.support.http_server import HttpServer
from tests.support.pages import form_of, sign_in
from tests.support.processes import eventually
from worker.http.refusals import RequestRefusedError
from worker.http.sessions import COOKIE, Attempts
from worker.operations.tokens import Scope

PLAY = {
    "type": "play",
    "time": "2026-11-23T21:04:11+01:00",
    "user": "ada",
    "song": {"title": "Parabola", "artist": "Tool", "album": "Lateralus"},
}


@pytest.fixture
def heard(server: HttpServer) -> HttpServer:
    """Ada has one play."""
    server.post("/v1/events", PLAY)
    server.drain()
    return server


def publish_preference(server: HttpServer, value: Any, time: str = "2026-11-23T21:04:11Z") -> None:
    event = {"type": "preference", "time": time, "user": "ada", "key": "public_profile", "value": value}
    assert server.post("/v1/events", event).json()["events"][0]["status"] == "accepted"
    server.drain()


def test_the_first_page_leads_to_sign_in_and_then_to_the_profile(heard: HttpServer) -> None:
    first = heard.client.get("/")
    assert (first.status_code, first.url.path) == (200, "/sign-in")
    opened = sign_in(heard)
    assert (opened.status_code, opened.url.path) == (200, "/u/ada/")
    assert "Parabola" in opened.text
    assert heard.client.get("/").url.path == "/u/ada/"


def test_the_cookie_is_kept_from_scripts_and_other_sites(heard: HttpServer) -> None:
    form = form_of(heard.client.get("/sign-in").text)
    sent = {"form": form, "token": heard.token}
    plain = heard.client.post("/sign-in", data=sent, follow_redirects=False)
    assert plain.status_code == 303
    flags = plain.headers["set-cookie"].split("; ")[1:]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(flags)
    assert "Secure" not in flags


def test_behind_tls_the_cookie_is_sent_over_tls_alone(heard: HttpServer) -> None:
    asked = heard.client.get("/sign-in", headers={"x-forwarded-proto": "https"})
    assert asked.headers["set-cookie"].endswith("; Secure")


def test_signing_in_makes_another_session(heard: HttpServer) -> None:
    heard.client.get("/sign-in")
    before = heard.client.cookies[COOKIE]
    sign_in(heard)
    assert heard.client.cookies[COOKIE] != before


def test_redis_holds_nothing_that_opens_a_session(heard: HttpServer) -> None:
    sign_in(heard)
    valkey: Any = heard.redis()
    keys = list(valkey.scan_iter("*door:value:*"))
    stored = b" ".join([*keys, *(valkey.get(key) for key in keys)])
    assert b"session" in stored
    assert heard.client.cookies[COOKIE].encode() not in stored
    assert heard.token.encode() not in stored


def test_a_wrong_token_is_refused_and_the_page_says_so(server: HttpServer) -> None:
    answer = sign_in(server, "4f3c2f0e-0000-4000-8000-000000000000")
    assert answer.status_code == 403
    assert 'role="alert"' in answer.text
    assert server.client.get("/u/ada").status_code == 404


def test_a_token_that_may_not_read_lets_nobody_in(server: HttpServer) -> None:
    assert sign_in(server, server.new_token("ada", Scope.SUBMIT, name="player")).status_code == 403


def test_a_session_ends_when_its_token_is_revoked(heard: HttpServer) -> None:
    sign_in(heard)
    assert heard.client.get("/u/ada").status_code == 200
    heard.revoke(heard.token)
    eventually(lambda: heard.client.get("/u/ada").status_code == 404, within_s=10)


def test_signing_out_ends_the_session_itself(heard: HttpServer) -> None:
    page = sign_in(heard).text
    secret = heard.client.cookies[COOKIE]
    assert heard.client.post("/sign-out", data={"form": form_of(page)}).url.path == "/sign-in"
    heard.client.cookies.clear()
    assert heard.client.get("/u/ada", headers={"cookie": f"{COOKIE}={secret}"}).status_code == 404


@pytest.mark.parametrize("form", ["", "0" * 32, "é"])
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_a_form_of_another_site_changes_nothing(heard: HttpServer, path: str, form: str) -> None:
    sign_in(heard)
    answer = heard.client.post(path, data={"form": form, "token": heard.token}, follow_redirects=False)
    assert (answer.status_code, answer.headers.get("set-cookie")) == (403, None)
    assert heard.client.get("/u/ada").status_code == 200


@pytest.mark.parametrize("is_signed_in", [False, True])
def test_unknown_and_closed_pages_look_the_same(heard: HttpServer, *, is_signed_in: bool) -> None:

    def seen(user: str, rest: str) -> tuple[int, str, Any]:
        answer = heard.client.get(f"/u/{user}{rest}")
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        return answer.status_code, answer.text.replace(f"/u/{user}", "/u/USER"), headers

    if is_signed_in:
        sign_in(heard, heard.new_token("bob"))
    for rest in ("", "/live", "/nothing/here"):
        assert seen("ada", rest) == seen("nobody", rest)
        assert seen("ada", rest)[0] == 404


def test_an_administrator_sees_everyone(heard: HttpServer) -> None:
    sign_in(heard, heard.new_token("root", Scope.ADMIN))
    assert "Parabola" in heard.client.get("/u/ada").text
    assert heard.client.get("/u/nobody").status_code == 404


@pytest.mark.parametrize(("value", "status"), [(True, 200), (False, 404), ("true", 404), (1, 404), (None, 404)])
def test_a_profile_is_public_only_by_its_users_choice(heard: HttpServer, value: Any, status: int) -> None:
    publish_preference(heard, value)
    assert heard.client.get("/u/ada").status_code == status


def test_a_public_profile_can_be_closed_again(heard: HttpServer) -> None:
    publish_preference(heard, value=True)
    assert heard.client.get("/u/ada").status_code == 200
    publish_preference(heard, value=None, time="2026-11-23T22:04:11Z")
    assert heard.client.get("/u/ada").status_code == 404


def test_guessing_is_slowed_down(server: HttpServer) -> None:
    statuses = [sign_in(server, "guess").status_code for _ in range(11)]
    assert statuses == [403] * 10 + [429]


def test_attempts_come_back_with_time_and_are_counted_by_address() -> None:
    now = 0.0
    attempts = Attempts(lambda: now)
    for _ in range(10):
        attempts.count("192.0.2.1")
    with pytest.raises(RequestRefusedError):
        attempts.count("192.0.2.1")
    attempts.count("192.0.2.2")
    now = 6.0
    attempts.count("192.0.2.1")
    with pytest.raises(RequestRefusedError):
        attempts.count("192.0.2.1")


@pytest.mark.parametrize("user", ["AC/DC", "a b", "50%", "..", "zoë", "日本", "a\\b", "a?b#c", "//", "~2F", "live"])
def test_every_user_has_a_page(server: HttpServer, user: str) -> None:
    opened = sign_in(server, server.new_token(user))
    assert opened.status_code == 200
    base = re.search(r'<base href="([^"]+)"', opened.text)
    assert base
    assert server.client.get(base[1]).status_code == 200
    assert server.client.get(f"{base[1]}live").status_code == 200


def test_pages_load_their_style_and_nothing_else(server: HttpServer) -> None:
    page = server.client.get("/sign-in")
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self';")
    assert "<script" not in page.text
    assets = re.findall(r'<link [^>]*href="([^"]+)"', page.text)
    assert len(assets) == 2
    for path in assets:
        answer = server.client.get(path)
        assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (200, True)
    assert server.client.get("/page-assets/0000000000000000/pages.css").status_code == 404


def test_the_live_part_is_sent_once(heard: HttpServer) -> None:
    sign_in(heard)
    first = heard.client.get("/u/ada/live")
    assert "<html" not in first.text
    tag = first.headers["etag"]
    again = heard.client.get("/u/ada/live", headers={"if-none-match": tag})
    assert (again.status_code, again.text) == (304, "")
    heard.post("/v1/events", {**PLAY, "time": "2026-11-23T22:04:11+01:00"})
    heard.drain()
    assert heard.client.get("/u/ada/live", headers={"if-none-match": tag}).status_code == 200


# --- Coming back, and who one is ----------------------------------------------------------------


def test_signing_in_leads_back_to_the_page_that_asked_for_it(heard: HttpServer) -> None:
    publish_preference(heard, value=True)
    page = heard.client.get("/u/ada/top/songs?period=year&at=2026-01-01").text
    link = re.search(r'href="(/sign-in\?to=[^"]+)">Sign in<', page)
    assert link
    asked = heard.client.get(unescape(link[1]))
    to = re.search(r'name="to" value="([^"]+)"', asked.text)
    assert to
    wrong = {"form": form_of(asked.text), "to": unescape(to[1]), "token": "wrong"}
    asked = heard.client.post("/sign-in", data=wrong)
    assert to[0] in asked.text
    answer = heard.client.post("/sign-in", data={**wrong, "form": form_of(asked.text), "token": heard.token})
    assert str(answer.url).endswith("/u/ada/top/songs?period=year&at=2026-01-01")
    assert heard.client.get(unescape(link[1])).url.path == "/u/ada/top/songs"


@pytest.mark.parametrize(
    "to",
    [
        "//elsewhere.example/", "/\\elsewhere.example", "https://elsewhere.example/", "/\t/elsewhere.example",
        "\\\\e.example", "javascript:alert(1)", "/\r\nset-cookie: a=b", "", "u/ada", "/\n//elsewhere.example",
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_signed_in", [False, True])
def test_signing_in_never_leads_to_another_site(server: HttpServer, to: str, *, is_signed_in: bool) -> None:
    if is_signed_in:
        sign_in(server)
        answer = server.client.get("/sign-in", params={"to": to}, follow_redirects=False)
    else:
        sent = {"form": form_of(server.client.get("/sign-in").text), "to": to, "token": server.token}
        answer = server.client.post("/sign-in", data=sent, follow_redirects=False)
    assert answer.status_code == 303
    location = answer.headers["location"]
    assert re.fullmatch(r"/[!-\[\]-~]*", location)
    assert not location.startswith("//")
    assert urlsplit(urljoin("http://testserver/sign-in", location)).netloc == "testserver"


def test_a_form_that_was_refused_does_not_become_the_page_to_come_back_to(heard: HttpServer) -> None:
    answer = heard.client.post("/u/ada/day/2026-11-23/delete", data={"play": "0" * 32})
    assert "/delete" not in answer.text


def test_who_is_signed_in_stands_on_the_pages_of_others(heard: HttpServer) -> None:
    sign_in(heard, heard.new_token("root", Scope.ADMIN))
    said = re.compile(r'Signed in as <a href="/u/root/"><bdi>root</bdi></a>')
    assert said.search(heard.client.get("/u/ada").text)
    assert said.search(heard.client.get("/ops").text)
    assert not said.search(heard.client.get("/import").text)


@pytest.mark.parametrize(
    "path", ["/u/nobody", "/u/ada/day/soon", "/u/ada/top/genres", "/u/ada/no/such/page", "/import/x"]
)
def test_a_page_that_is_not_there_keeps_the_menu(heard: HttpServer, path: str) -> None:
    sign_in(heard)
    page = heard.client.get(path)
    assert page.status_code == 404
    assert '<a href="/not-recorded">' in page.text
    assert "Sign out" in page.text
    assert "sign in" not in page.text.lower()
    heard.client.cookies.clear()
    assert "sign in" in heard.client.get(path).text
