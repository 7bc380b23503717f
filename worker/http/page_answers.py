"""Answer with pages: as HTML that a browser keeps to itself, also where a request is refused."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request

from worker.http.endpoint import Answer
from worker.http.refusals import RequestRefusedError
from worker.pages.rendering import POLICY, Frame, render

HTML: Final = "text/html; charset=utf-8"
_NOT_FOUND: Final = 404
_HEADERS: Final = {
    "content-security-policy": POLICY,
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    # What is shown depends on who is signed in.
    "cache-control": "private, no-cache",
    "vary": "cookie",
}
# Of server-sent events.
EVENT_HEADERS: Final = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    # nginx would keep the messages until it has some kilobytes of them.
    "x-accel-buffering": "no",
}
# The same for a user whom zik does not know and for one whose pages are closed.
_NO_SUCH_PAGE: Final = "There is no such page, or it is not shown to everyone."
_NOT_FOR_YOU: Final = "There is no such page, or you may not see it."


def page_answer(
    template: str, frame: Frame, *, status: int = 200, headers: Mapping[str, str] | None = None, **content: Any
) -> Answer:
    return Answer(status, render(template, frame, **content), HTML, {**_HEADERS, **(headers or {})})


def with_etag(request: Request, answer: Answer) -> Answer:
    """The answer, or a 304 if the browser has it already."""
    tag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
    headers = {**answer.headers, "etag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Answer(304, b"", answer.content_type, headers)
    return answer._replace(headers=headers)


def redirect(path: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Open another page with GET, also after a form."""
    return Answer(303, b"", HTML, {"location": path, **_HEADERS, **(headers or {})})


def no_such_page() -> RequestRefusedError:
    return RequestRefusedError(_NOT_FOUND, _NO_SUCH_PAGE)


def refuse(refusal: RequestRefusedError, frame: Frame) -> Answer:
    """Say so on a page, which keeps the menu of `frame`."""
    is_missing = refusal.status == _NOT_FOUND
    missing = _NO_SUCH_PAGE if frame.viewer is None else _NOT_FOR_YOU
    return page_answer(
        "message",
        frame,
        status=refusal.status,
        headers=refusal.headers,
        title="Not here" if is_missing else "Not now" if refusal.retry_after_s else "Not like this",
        message=missing if is_missing else refusal.text,
        may_sign_in=is_missing and frame.viewer is None,
    )


def here(request: Request) -> str:
    """The path and query of a request, as its browser wrote them."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
