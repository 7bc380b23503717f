"""AudioScrobbler 1.2 as mpdscribble and qlscrobbler speak it: every answer is a 200."""

import hashlib
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.http_server import HttpServer
from tests.support.processes import eventually

AT = 1_700_000_000  # 2023-11-14T22:13:20Z


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@pytest.fixture
def secret(server: HttpServer) -> str:
    return server.new_token("ada", name="old", audioscrobbler=True)


def handshake(server: HttpServer, secret: str, path: str = "/", **changed: str) -> list[str]:
    at = str(int(time.time()))
    proof = md5(f"{md5(secret)}{at}")
    sent = {"hs": "true", "p": "1.2", "c": "qts", "v": "0.2", "u": "ada", "t": at, "a": proof, **changed}
    answer = server.client.get(path, params=sent)
    assert answer.status_code == 200
    return answer.text.split("\n")


def submit(server: HttpServer, url: str, **fields: Any) -> str:
    path = urlsplit(url)._replace(scheme="", netloc="").geturl()
    answer = server.client.post(path, data=fields)
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize("path", ["/", "/apis/audioscrobbler_legacy", "/apis/audioscrobbler_legacy/"])
def test_a_handshake_leads_to_submissions(server: HttpServer, secret: str, path: str) -> None:
    ok, session, playing, submission, end = handshake(server, secret, path)
    assert (ok, end) == ("OK", "")
    assert playing.startswith("http://testserver/np_1.2")
    track = {"a[0]": "Tool", "t[0]": "Parabola", "i[0]": AT, "o[0]": "P", "r[0]": "", "l[0]": "183"}
    track |= {"b[0]": "Lateralus", "n[0]": "7", "m[0]": ""}
    assert submit(server, submission, s=session, **track) == "OK\n"
    (play,) = server.plays()
    assert (play["user"], play["title"], play["album"]) == ("ada", "Parabola", "Lateralus")
    assert (play["time"], play["duration_ms"], play["source"]) == ("2023-11-14T22:13:20Z", 183_000, "qlscrobbler/0.2")


def test_the_time_of_mpdscribble_is_the_end(server: HttpServer, secret: str) -> None:
    _, session, _, submission, _ = handshake(server, secret, c="mdc", v="0.24")
    track = {"a[0]": "Tool", "t[0]": "Parabola", "i[0]": AT + 183, "o[0]": "P", "l[0]": "183"}
    assert submit(server, submission, s=session, **track) == "OK\n"
    (play,) = server.plays()
    assert (play["time"], play["source"]) == ("2023-11-14T22:13:20Z", "mpdscribble/0.24")


def test_several_plays_and_a_love(server: HttpServer, secret: str) -> None:
    _, session, _, submission, _ = handshake(server, secret)
    tracks = {
        "a[0]": "Tool",
        "t[0]": "Parabola",
        "i[0]": AT,
        "r[0]": "L",
        "a[1]": "Tool",
        "t[1]": "Schism",
        "i[1]": AT + 300,
    }
    assert submit(server, submission, s=session, **tracks) == "OK\n"
    assert len(server.plays()) == 2
    assert server.favorites() == {("ada", "Tool", "Parabola"): True}


def test_a_bad_play_costs_only_itself_and_is_kept(server: HttpServer, secret: str) -> None:
    _, session, _, submission, _ = handshake(server, secret)
    tracks = {"a[0]": "", "t[0]": "Nameless", "i[0]": AT, "a[1]": "Tool", "t[1]": "Schism", "i[1]": AT}
    assert submit(server, submission, s=session, **tracks) == "OK\n"
    assert len(server.plays()) == 1
    assert len(server.letters()) == 1


def test_what_plays_now(server: HttpServer, secret: str) -> None:
    _, session, playing, _, _ = handshake(server, secret)
    assert submit(server, playing, s=session, a="Tool", t="Parabola", b="", l="183", n="", m="") == "OK\n"
    assert server.get("/1/user/ada/playing-now").json()["payload"]["count"] == 1


@pytest.mark.parametrize(
    ("changed", "answer"),
    [({"a": md5("guess")}, "BADAUTH"), ({"u": "bob"}, "BADAUTH"), ({"t": "5"}, "BADTIME"), ({"t": "soon"}, "FAILED"),
     ({"p": "1.1"}, "FAILED"), ({"u": ""}, "FAILED")],
)  # fmt: skip
def test_a_failed_handshake(server: HttpServer, secret: str, changed: dict[str, str], answer: str) -> None:
    assert handshake(server, secret, **changed)[0].split()[0] == answer


def test_a_token_without_its_md5_opens_no_session(server: HttpServer) -> None:
    assert handshake(server, server.token)[0] == "BADAUTH"


def test_an_unknown_session_and_a_revoked_one(server: HttpServer, secret: str) -> None:
    _, session, _, submission, _ = handshake(server, secret)
    track = {"a[0]": "Tool", "t[0]": "Parabola", "i[0]": AT}
    assert submit(server, submission, s="f" * 32, **track) == "BADSESSION\n"
    assert submit(server, submission, s=session, **track) == "OK\n"
    server.revoke(secret)
    eventually(lambda: submit(server, submission, s=session, **track) == "BADSESSION\n", within_s=5)
    assert submit(server, submission, s="", **track) == "BADSESSION\n"


def test_a_proxy_with_tls_leads_to_https(server: HttpServer, secret: str) -> None:
    at = str(int(time.time()))
    sent = {"hs": "true", "p": "1.2", "c": "x", "v": "1", "u": "ada", "t": at, "a": md5(f"{md5(secret)}{at}")}
    headers = {"X-Forwarded-Proto": "https", "Host": "music.example"}
    lines = server.client.get("/", params=sent, headers=headers).text.split("\n")
    assert lines[2].startswith("https://music.example/np_1.2")


def test_a_person_who_looks_reads_what_this_is(server: HttpServer) -> None:
    assert "zik" in server.client.get("/").text
