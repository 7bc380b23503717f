"""The import in the browser: nothing is published before it was looked at, all of it once, and it can be taken back."""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.announced import listening
from tests.support.http_server import HttpServer
from tests.support.pages import form_of, sign_in, text_of
from tests.support.processes import eventually
from worker.http import uploads
from worker.http.import_job import Job, path_of
from worker.operations.tokens import Scope

ROWS: Final = ["title,artist,time"] + [f"Song {n},Tool,2023-05-0{n}T10:00:00Z" for n in (1, 2, 3)]
TABLE: Final = "\n".join([*ROWS, "No time,Tool,", ""]).encode()


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where uploads are kept."""
    folder = tmp_path / "kept"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def server(server: HttpServer, kept: Path) -> HttpServer:
    """Ada is signed in, and uploads go to a folder of the test."""
    assert kept.is_dir()
    sign_in(server)
    return server


def upload(server: HttpServer, content: bytes = TABLE, name: str = "plays.csv", **fields: str) -> Any:
    form = form_of(server.client.get("/import").text)
    return server.client.post("/import", data={"form": form, **fields}, files={"file": (name, content)})


def settled(server: HttpServer, path: str) -> str:
    """The page when nothing is under way any more."""
    pages: list[str] = []

    def is_settled() -> bool:
        pages.append(server.client.get(path).text)
        return "<progress" not in pages[-1]

    eventually(is_settled, within_s=20)
    return pages[-1]


def press(server: HttpServer, page: str, action: str) -> Any:
    """Send the form of a page whose address ends like this."""
    found = re.search(rf'action="(/import/[^"]*/{action})"', page)
    assert found, f"the page has no form {action}"
    return server.client.post(found[1], data={"form": form_of(page)})


def read(server: HttpServer, content: bytes = TABLE, name: str = "plays.csv", **fields: str) -> tuple[str, str]:
    """Upload, and return the address of the import and its page when it was read."""
    answer = upload(server, content, name, **fields)
    assert answer.status_code == 200
    return answer.url.path, settled(server, answer.url.path)


def imported(server: HttpServer, content: bytes = TABLE) -> tuple[str, str]:
    """Import and record."""
    path, page = read(server, content)
    press(server, page, "publish")
    assert "Imported." not in settled(server, path)
    server.drain()
    return path, settled(server, path)


def test_nothing_is_published_before_it_was_looked_at(server: HttpServer) -> None:
    _, page = read(server)
    assert "3 events to import" in text_of(page)
    assert "1 May 2023 to 3 May 2023" in text_of(page)
    assert server.waiting() == 0


def test_what_was_looked_at_is_imported_and_the_books_say_how(server: HttpServer) -> None:
    path, page = imported(server)
    assert [play["title"] for play in server.plays()] == ["Song 1", "Song 2", "Song 3"]
    assert "Imported. new 3 there already 0 waiting for a worker 0" in text_of(page)
    assert "http-equiv" not in page
    assert {play["user"] for play in server.plays()} == {"ada"}
    assert path.rpartition("/")[2] == server.plays()[0]["context"]["import"]


def test_what_is_waiting_is_said_and_the_page_looks_again(server: HttpServer) -> None:
    path, page = read(server)
    press(server, page, "publish")
    page = settled(server, path)
    assert "waiting for a worker 3" in text_of(page)
    assert 'http-equiv="refresh"' in page


def test_the_same_file_again_adds_nothing(server: HttpServer) -> None:
    imported(server)
    _, page = imported(server)
    assert "new 0 there already 3" in text_of(page)
    assert len(server.plays()) == 3


def test_what_was_skipped_is_named_with_place_and_reason(server: HttpServer) -> None:
    _, page = read(server)
    assert "Skipped, because they break a rule: 1 " in text_of(page)
    assert "plays.csv , line 5" in text_of(page)


def test_an_import_is_taken_back_and_what_was_there_stays(server: HttpServer) -> None:
    server.post("/v1/events", {"type": "play", "time": "2023-05-01T10:00:00Z", "user": "ada",
                               "song": {"title": "Song 1", "artist": "Tool"}})  # fmt: skip
    server.drain()
    path, page = imported(server)
    assert "new 2 there already 1" in text_of(page)
    with listening(server.settings.redis_url) as ear:
        press(server, page, "undo")
        page = settled(server, path)
        assert ["ada"] in ear.listen()
    assert "Taken back. 2 plays deleted" in text_of(page)
    assert [play["title"] for play in server.plays()] == ["Song 1"]
    overview = text_of(server.client.get("/import").text)
    assert "Earlier imports" in overview
    assert "UTC 0 2" in overview


def test_an_import_of_the_command_is_taken_back_too(server: HttpServer) -> None:
    server.post("/v1/events", {"type": "play", "time": "2023-05-01T10:00:00Z", "user": "ada",
                               "context": {"import": "0a0b0c0d"}, "song": {"title": "a", "artist": "b"}})  # fmt: skip
    server.drain()
    page = server.client.get("/import").text
    answer = press(server, page, "undo")
    assert "1 play deleted" in text_of(settled(server, answer.url.path))
    assert server.plays() == []


def test_the_file_is_removed_after_the_import(server: HttpServer, kept: Path) -> None:
    path, page = read(server)
    assert [file.name for file in kept.rglob("*") if file.is_file()] == [path.rpartition("/")[2]]
    press(server, page, "publish")
    settled(server, path)
    assert not any(file.is_file() for file in kept.rglob("*"))


def test_a_discarded_file_is_gone(server: HttpServer, kept: Path) -> None:
    path, page = read(server)
    press(server, page, "discard")
    assert not any(file.is_file() for file in kept.rglob("*"))
    assert server.client.get(path).status_code == 404


def test_another_upload_replaces_the_first_one(server: HttpServer, kept: Path) -> None:
    read(server)
    read(server)
    assert len([file for file in kept.rglob("*") if file.is_file()]) == 1


def test_the_import_is_of_the_sessions_user_whatever_the_file_says(server: HttpServer) -> None:
    listen = {"listened_at": 1683000000, "track_metadata": {"track_name": "a", "artist_name": "b"}}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("user.json", json.dumps({"user_id": 1, "username": "mallory"}))
        archive.writestr("listens/2023/5.jsonl", json.dumps(listen) + "\n")
    path, page = read(server, packed.getvalue(), "listenbrainz_mallory.zip")
    press(server, page, "publish")
    settled(server, path)
    assert {play["user"] for play in server.plays()} == {"ada"}


def test_a_file_without_a_timezone_asks_for_one(server: HttpServer) -> None:
    table = b"title,artist,time\na,b,2023-05-01T10:00:00\n"
    path, page = read(server, table)
    assert "Skipped, because they break a rule: 1 " in text_of(page)
    assert "--timezone" not in page
    form = {"form": form_of(page), "timezone": "Europe/Berlin"}
    server.client.post(f"{path}/read", data=form)
    page = settled(server, path)
    assert "1 event to import" in text_of(page)
    press(server, page, "publish")
    settled(server, path)
    assert [play["time"] for play in server.plays()] == ["2023-05-01T08:00:00Z"]


def read_again(server: HttpServer, path: str, page: str, **said: str) -> str:
    """The page after the form was sent with these values."""
    answer = server.client.post(f"{path}/read", data={"form": form_of(page), **said})
    assert answer.status_code == 200, text_of(answer.text)
    return settled(server, path)


def times_recorded(server: HttpServer, path: str, page: str) -> list[str]:
    press(server, page, "publish")
    settled(server, path)
    return [play["time"] for play in server.plays()]


RESET: Final = b"title,artist,time\na,b,1970-01-02T10:00:00Z\nc,b,2023-05-01T10:00:00Z\n"


def test_plays_of_a_clock_that_was_not_set_get_a_day(server: HttpServer) -> None:
    path, page = read(server, RESET)
    assert "clock was not set: 1 row of 1970. Say below when" in text_of(page)
    page = read_again(server, path, page, undated="2021-06-01")
    assert "2 events to import" in text_of(page)
    assert 'value="2021-06-01"' in page
    assert times_recorded(server, path, page) == ["2021-06-02T10:00:00Z", "2023-05-01T10:00:00Z"]


def test_a_clock_that_was_behind_is_put_forward(server: HttpServer) -> None:
    path, page = read(server, RESET.replace(b"2023", b"1970"))
    page = read_again(server, path, page, shift="19000d1h", timezone="Europe/Berlin")
    assert times_recorded(server, path, page) == ["2022-01-09T11:00:00Z", "2022-05-08T11:00:00Z"]


def test_a_file_in_another_encoding_is_read_in_it(server: HttpServer) -> None:
    path, page = read(server, "title,artist,time\nOrgasmatron,Motörhead,2023-05-01T10:00:00Z\n".encode("cp1252"))
    assert "Nothing to import." in text_of(page)
    assert "--encoding" not in page
    page = read_again(server, path, page, encoding="cp1252")
    assert "1 event to import" in text_of(page)
    assert times_recorded(server, path, page) == ["2023-05-01T10:00:00Z"]
    assert server.plays()[0]["artist"] == "Motörhead"


def test_someone_who_moved_says_where_they_were_when(server: HttpServer) -> None:
    table = b"title,artist,time\na,b,2023-04-30T10:00:00\na,b,2023-05-01T10:00:00\n"
    path, page = read(server, table)
    assert "Say where you were" in text_of(page)
    page = read_again(server, path, page, timezone=" Europe/Berlin  America/New_York@2023-05-01 ")
    assert "Say where you were" not in text_of(page)
    assert times_recorded(server, path, page) == ["2023-04-30T08:00:00Z", "2023-05-01T14:00:00Z"]


def test_a_file_of_local_times_alone_asks_where_its_listener_was(server: HttpServer) -> None:
    log = b"#AUDIOSCROBBLER/1.1\n#TZ/UNKNOWN\n#CLIENT/Rockbox\nTool\tLateralus\tSchism\t5\t403\tL\t1682935200\t\n"
    path, page = read(server, log, ".scrobbler.log")
    assert "Stopped." in text_of(page)
    assert "Its times are local ones" in text_of(page)
    page = read_again(server, path, page, timezone="Europe/Berlin")
    assert times_recorded(server, path, page) == ["2023-05-01T08:00:00Z"]


def test_what_does_not_matter_is_not_asked(server: HttpServer) -> None:
    _, page = read(server)
    assert [name for name in ("undated", "shift", "encoding") if f'name="{name}"' in page] == []
    assert "Read it in another way" in text_of(page)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"timezone": "Berlin"}, "Where you were: no such time zone; use a name such as Europe/Berlin."),
        ({"timezone": "Asia/Tokyo@2023-05-01"}, "Where you were: one zone must be without a day"),
        ({"undated": "1970-01-01"}, "The day: must be from 2002-01-01 to today."),
        ({"undated": "June"}, "The day: a day must be as in 2023-05-01."),
        ({"shift": "<b>"}, "How far behind: must be days, hours and minutes"),
        ({"encoding": "klingon"}, "The encoding: no such encoding"),
        ({"encoding": "undefined"}, "The encoding: no such encoding"),
        ({"encoding": "a\x00b"}, "The encoding: no such encoding"),
    ],
)
def test_what_makes_no_sense_is_said_beside_the_fields(server: HttpServer, said: dict[str, str], problem: str) -> None:
    path, page = read(server, RESET)
    answer = server.client.post(f"{path}/read", data={"form": form_of(page), **said})
    assert answer.status_code == 400
    assert problem in text_of(answer.text)
    assert 'role="alert"' in answer.text
    assert "<b>" not in answer.text.partition('role="alert"')[2]
    assert server.client.get(path).text == page


@pytest.mark.parametrize("zone", ["Berlin", "localtime", "../etc/passwd", "\x00"])
def test_a_wrong_timezone_is_refused(server: HttpServer, zone: str) -> None:
    answer = upload(server, timezone=zone)
    assert answer.status_code == 400
    assert "Europe/Berlin" in answer.text


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7", b"PK\x03\x04broken", b"\x1f\x8b\x08broken", b"\x00" * 1000])
def test_what_is_no_history_is_named_and_cannot_be_imported(server: HttpServer, content: bytes) -> None:
    path, page = read(server, content)
    assert "Nothing to import." in text_of(page)
    assert "plays.csv" in page
    assert str(path_of(Job(path.rpartition("/")[2], "ada"))) not in page
    assert 'publish"' not in page


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "../../etc/passwd", "C:\\fakepath\\a.csv", "a\u202eb", "x" * 500, "\u3164"]
)
def test_hostile_names_and_values_are_harmless(server: HttpServer, name: str) -> None:
    table = b'title,artist,time\n<b>x</b>,"<img src=x onerror=alert(1)>",2023-05-01T10:00:00Z\n<b>y</b>,,zz\n'
    path, page = read(server, table, name)
    assert server.client.get(path).status_code == 200
    for harm in ("<script>alert", "<b>x", "<img", "..", "\u202e"):
        assert harm not in page.partition("<main")[2]


def test_more_than_the_limit_is_refused_and_not_kept(
    server: HttpServer, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_UPLOAD_BYTES", 2**20)
    assert upload(server, b"x" * (2**20 + 1)).status_code == 413
    assert not any(file.is_file() for file in kept.rglob("*"))


def test_a_full_disk_takes_no_file(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_KEEP_FREE_BYTES", 2**60)
    assert upload(server).status_code == 503


def test_a_form_of_another_site_imports_nothing(server: HttpServer) -> None:
    files = {"file": ("a.csv", TABLE)}
    assert server.client.post("/import", data={"form": "0" * 32}, files=files).status_code == 403
    path, page = read(server)
    for action in ("publish", "discard", "undo", "read"):
        assert server.client.post(f"{path}/{action}", data={"form": "0" * 32}).status_code == 403
    assert settled(server, path) == page


def test_nobody_else_sees_or_takes_back_an_import(server: HttpServer) -> None:
    path, _ = imported(server)
    server.client.cookies.clear()
    assert server.client.get("/import").status_code == 404
    page = sign_in(server, server.new_token("bob")).text
    assert server.client.get(path).status_code == 404
    assert server.client.post(f"{path}/undo", data={"form": form_of(page)}).status_code == 404
    assert len(server.plays()) == 3


def test_a_token_that_may_only_read_imports_nothing(server: HttpServer) -> None:
    server.client.cookies.clear()
    sign_in(server, server.new_token("ada", Scope.READ, name="reader"))
    assert server.client.get("/import").status_code == 403


def test_an_import_whose_process_was_killed_is_started_again(
    server: HttpServer,
) -> None:
    path, _ = read(server)
    key = f"zik:{{events}}:door:value:import:{path.rpartition('/')[2]}:ada"
    before: Any = server.redis().get(key)
    server.redis().set(key, json.dumps({**json.loads(before), "phase": "importing", "published": 1, "saved_s": 0}))
    page = server.client.get(path).text
    assert "Stopped. The server was stopped meanwhile" in text_of(page)
    press(server, page, "publish")
    settled(server, path)
    assert len(server.plays()) == 3


def test_a_file_that_is_gone_is_asked_for_again(server: HttpServer, kept: Path) -> None:
    _, page = read(server)
    for file in kept.rglob("*"):
        file.unlink() if file.is_file() else None
    answer = press(server, page, "publish")
    assert answer.status_code == 410
    assert "upload it again" in answer.text


def test_a_file_of_local_times_stops_until_the_timezone_is_known(server: HttpServer) -> None:
    log = b"#AUDIOSCROBBLER/1.1\n#TZ/UNKNOWN\n#CLIENT/Rockbox\nTool\tLateralus\tParabola\t1\t300\tL\t1683000000\t\n"
    path, page = read(server, log, ".scrobbler.log")
    assert "Stopped." in text_of(page)
    assert "has local times without an offset" in text_of(page)
    server.client.post(f"{path}/read", data={"form": form_of(page), "timezone": "Europe/Berlin"})
    assert "1 event to import" in text_of(settled(server, path))
