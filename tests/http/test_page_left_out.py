"""Songs and artists are left out on their pages, listed, and counted again, by their listener alone."""

import pytest

from tests.support.announced import listening
from tests.support.http_server import HttpServer
from tests.support.pages import NOW, ask, form_of, opened, publish, sign_in, text_of
from worker.operations.left_out import left_out
from worker.operations.tokens import Scope
from worker.pages import links
from worker.statistics import Period, Subject, rank, span

LIST = "/u/ada/left-out"
EVER = span(Period.ALL, NOW.date())


def names(server: HttpServer) -> list[tuple[str, str | None]]:
    return [(each.artist, each.title) for each in ask(server, lambda of: left_out(of.connection, of.user_id))]


def counted(server: HttpServer, subject: Subject) -> set[str]:
    return {place.title or place.artist for place in ask(server, lambda of: rank(of, subject, EVER, most=50))}


def button(page: str, name: str) -> str:
    return page.partition(f'name="{name}" value="')[2].partition('"')[0]


@pytest.mark.parametrize(
    ("path", "subject", "name"),
    [
        (links.artist("Artist 1"), Subject.ARTIST, ("Artist 1", None)),
        (links.song("Artist 0", "Song 0"), Subject.SONG, ("Artist 0", "Song 0")),
    ],
)
def test_a_page_leaves_out_what_it_is_about_and_the_list_counts_it_again(
    listened: HttpServer, path: str, subject: Subject, name: tuple[str, str | None]
) -> None:
    before = counted(listened, subject)
    page = opened(listened, f"/u/ada/{path}")
    sent = {"form": form_of(page), subject.value: button(page, subject)}
    listed = listened.client.post(f"{LIST}/add", data=sent)
    assert (listed.status_code, listed.url.path) == (200, LIST)
    assert names(listened) == [name]
    assert counted(listened, subject) == before - {name[1] or name[0]}
    again = listened.client.get(f"/u/ada/{path}")
    assert again.url.path == LIST
    assert f"Count again… {name[1] or name[0]}" in text_of(again.text)
    sent = {"form": form_of(again.text), subject.value: button(again.text, subject)}
    empty = listened.client.post(f"{LIST}/remove", data=sent)
    assert "nothing" in text_of(empty.text)
    assert counted(listened, subject) == before
    assert opened(listened, f"/u/ada/{path}") == page


def test_a_name_that_a_page_cannot_write_is_left_out(listened: HttpServer) -> None:
    song = {"artist": "T\x1bool", "title": "Schism"}
    publish(listened, {"type": "play", "user": "ada", "time": "2026-11-20T10:00:00Z", "song": song})
    page = opened(listened, f"/u/ada/{links.artist(song['artist'])}")
    listened.client.post(f"{LIST}/add", data={"form": form_of(page), "artist": button(page, "artist")})
    assert names(listened) == [("T\x1bool", None)]


def test_open_pages_learn_of_what_is_left_out_and_counted_again(listened: HttpServer) -> None:
    page = opened(listened, f"/u/ada/{links.artist('Artist 1')}")
    sent = {"form": form_of(page), "artist": button(page, "artist")}
    with listening(listened.settings.redis_url) as ear:
        for action in ("add", "remove"):
            listened.client.post(f"{LIST}/{action}", data=sent)
            assert ear.listen() == [["ada"]]


def test_a_form_of_another_site_leaves_nothing_out(listened: HttpServer) -> None:
    page = opened(listened, f"/u/ada/{links.artist('Artist 1')}")
    sent = {"form": "0" * 32, "artist": button(page, "artist")}
    assert listened.client.post(f"{LIST}/add", data=sent).status_code == 403
    assert names(listened) == []


@pytest.mark.parametrize(
    ("user", "scopes"), [("bob", (Scope.SUBMIT, Scope.READ)), ("ada", (Scope.READ,)), ("bob", (Scope.READ,))]
)
def test_only_who_may_submit_for_a_user_sees_and_changes_it(
    listened: HttpServer, user: str, scopes: tuple[Scope, ...]
) -> None:
    artist = button(opened(listened, f"/u/ada/{links.artist('Artist 1')}"), "artist")
    page = sign_in(listened, listened.new_token(user, *scopes, name="another")).text
    sent = {"form": form_of(page), "artist": artist}
    assert listened.client.post(f"{LIST}/add", data=sent).status_code == 404
    assert listened.client.get(LIST).status_code == 404
    assert names(listened) == []
    if user == "ada":
        assert "Leave out" not in opened(listened, f"/u/ada/{links.artist('Artist 1')}")


@pytest.mark.parametrize("sent", [{}, {"artist": "x"}, {"album": "0" * 32}])
def test_a_form_that_names_nothing_is_no_page(listened: HttpServer, sent: dict[str, str]) -> None:
    page = opened(listened, "/u/ada/")
    assert listened.client.post(f"{LIST}/add", data={"form": form_of(page), **sent}).status_code == 404


def test_what_nobody_has_heard_is_not_left_out(listened: HttpServer) -> None:
    page = opened(listened, "/u/ada/")
    for subject in ("artist", "song"):
        assert listened.client.post(f"{LIST}/add", data={"form": form_of(page), subject: "0" * 32}).status_code == 200
    assert names(listened) == []
