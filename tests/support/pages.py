"""A browser without a screen for tests of pages: sign in, send forms, and read what a page says."""

import re
from html import unescape
from typing import Any, Final

from tests.support.http_server import HttpServer

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
