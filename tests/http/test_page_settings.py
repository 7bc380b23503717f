"""A listener's settings on a page: they are preferences, and count when a worker has recorded them."""

import pytest

from tests.support.http_server import HttpServer
from tests.support.pages import form_of, opened, publish, sign_in, text_of
from worker.operations.tokens import Scope

PATH = "/settings"


def test_timezone_and_visibility_are_published_as_preferences(listened: HttpServer) -> None:
    page = opened(listened, PATH)
    assert 'value="Asia/Tokyo"' in page
    assert " checked" not in page
    sent = {"form": form_of(page), "timezone": " Europe/Berlin ", "public": "1"}
    saved = listened.client.post(PATH, data=sent)
    assert saved.status_code == 200
    assert 'value="Europe/Berlin"' in saved.text
    assert listened.waiting() == 2
    wanted = {("ada", "timezone"): "Europe/Berlin", ("ada", "public_profile"): True}
    assert listened.preferences() == wanted
    assert " checked" in opened(listened, PATH)
    listened.client.cookies.clear()
    assert listened.client.get("/u/ada").status_code == 200


def test_an_empty_field_takes_the_timezone_back_and_pages_are_closed_again(server: HttpServer) -> None:
    # Its clock goes on: of two preferences with the same time the latter need not be the newer one.
    sign_in(server)
    for sent in ({"timezone": "Europe/Berlin", "public": "1"}, {"timezone": ""}):
        server.client.post(PATH, data={"form": form_of(opened(server, PATH)), **sent})
    stored = server.preferences()
    assert not stored.get(("ada", "public_profile"))
    assert stored.get(("ada", "timezone")) is None
    assert "Europe/Berlin" not in opened(server, PATH).partition("<datalist")[0].replace("e.g. Europe/Berlin", "")


def test_a_timezone_that_is_none_is_refused_and_nothing_is_published(listened: HttpServer) -> None:
    answer = listened.client.post(PATH, data={"form": form_of(opened(listened, PATH)), "timezone": "<b>PST"})
    assert answer.status_code == 400
    assert "The timezone must name a timezone of the IANA database" in text_of(answer.text)
    assert "<b>PST" not in answer.text
    assert listened.waiting() == 0


@pytest.mark.parametrize("scopes", [(Scope.READ,), None])
def test_only_who_may_submit_changes_settings(listened: HttpServer, scopes: tuple[Scope, ...] | None) -> None:
    form = form_of(opened(listened, PATH))
    if scopes is None:
        listened.client.cookies.clear()
    else:
        form = form_of(sign_in(listened, listened.new_token("ada", *scopes, name="reader")).text)
    answers = listened.client.get(PATH), listened.client.post(PATH, data={"form": form, "timezone": "UTC"})
    assert {answer.status_code for answer in answers} <= {403, 404}
    assert listened.waiting() == 0


def test_a_form_of_another_site_changes_no_setting(listened: HttpServer) -> None:
    answer = listened.client.post(PATH, data={"form": "0" * 32, "timezone": "Europe/Berlin", "public": "1"})
    assert (answer.status_code, listened.waiting()) == (403, 0)


def test_a_profile_leads_its_listener_to_the_settings(listened: HttpServer) -> None:
    publish(listened, {"type": "preference", "user": "ada", "time": "2026-11-22T08:00:00Z", "key": "public_profile",
                       "value": True})  # fmt: skip
    assert 'href="/settings"' in opened(listened, "/u/ada")
    listened.client.cookies.clear()
    assert 'href="/settings"' not in opened(listened, "/u/ada")
