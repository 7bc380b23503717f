"""Serve the page where a person lets a Last.fm client in: the middle of auth.getToken and auth.getSession."""

from collections.abc import Sequence
from html import escape
from typing import Final

from starlette.requests import Request
from starlette.routing import BaseRoute

from worker.http.body import read_body
from worker.http.endpoint import Answer, endpoints
from worker.http.forms import parameters
from worker.http.handlers.lastfm import SIGN_IN_S, session_key, sign_in_name
from worker.http.refusals import RequestRefusedError
from worker.http.services import Services

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>zik: let a player in</title>
<h1>Let a player in</h1>
<p>{message}</p>
{form}
</html>
"""
_FORM: Final = """<form method="post">
<input type="hidden" name="token" value="{token}">
<p><label>Your zik token<br><input name="password" type="password" size="40" autocomplete="off" required></label></p>
<p><button>Let it in</button></p>
</form>"""
_POLICY: Final = {
    "content-security-policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}
_ASK: Final = (
    "A player wants to publish what you play, and to read it. Type a token that was made with "
    "<code>zik token create --audioscrobbler</code>."
)
_LATE: Final = "This address is older than an hour: start again in the player."


def refuse(refusal: RequestRefusedError, _: Request) -> Answer:
    return _page(refusal.status, escape(refusal.text))


def routes(services: Services) -> Sequence[BaseRoute]:
    """GET and POST /api/auth."""

    async def ask(request: Request) -> Answer:
        token = request.query_params.get("token", "")
        if await services.stream.get(sign_in_name(token)) is None:
            return _page(404, _LATE)
        return _page(200, _ASK, token)

    async def let_in(request: Request) -> Answer:
        sent = parameters(request, await read_body(request))
        token = sent.get("token", "")
        if await services.stream.get(sign_in_name(token)) is None:
            return _page(404, _LATE)
        person = await services.tokens.identify(sent.get("password", "").strip())
        key = session_key(person) if person is not None else ""
        if person is None or not key:
            return _page(403, f"No such token, or one that was made without --audioscrobbler. {_ASK}", token)
        await services.stream.put(sign_in_name(token), f"{key} {person.username}".encode(), ttl_s=SIGN_IN_S)
        return _page(200, "Done. Go back to the player.")

    return endpoints({("GET", "/api/auth"): ask, ("POST", "/api/auth"): let_in}, refuse=refuse, gate=services.gate)


def _page(status: int, message: str, token: str = "") -> Answer:
    form = _FORM.format(token=escape(token)) if token else ""
    page = _PAGE.format(message=message, form=form)
    return Answer(status, page.encode(), "text/html; charset=utf-8", _POLICY)
