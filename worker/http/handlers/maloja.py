"""Serve the one call of Maloja's API that players make: newscrobble."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.routing import BaseRoute

from worker.http.body import read_body
from worker.http.endpoint import Answer, bearer, endpoints, json_answer
from worker.http.forms import user_agent
from worker.http.refusals import RequestRefusedError
from worker.http.services import Services
from worker.operations.tokens import Scope
from worker.protocols import maloja, values

_PATH: Final = "/apis/mlj_1/newscrobble"
_MOST: Final = 1_000
_KINDS: Final = {401: "invalid_api_key", 403: "invalid_api_key", 503: "server_not_ready"}


def refuse(refusal: RequestRefusedError, _: Request) -> Answer:
    kind = _KINDS.get(refusal.status, "malformed_request")
    return json_answer(refusal.status, maloja.error(kind, refusal.text), refusal.headers)


def routes(services: Services) -> Sequence[BaseRoute]:
    """POST and GET /apis/mlj_1/newscrobble."""

    async def newscrobble(request: Request) -> Answer:
        sent = _parameters(request, await read_body(request))
        token = await services.tokens.authenticate(maloja.key_of(sent) or bearer(request), scope=Scope.SUBMIT)
        now = services.now()
        item = maloja.scrobble_of(sent, user=token.username, client=user_agent(request), now=now)
        await services.ingest.submit(token, [item], protocol="maloja", now=now)
        return json_answer(*maloja.answer(item))

    return endpoints({("POST", _PATH): newscrobble}, refuse=refuse, gate=services.gate)


def _parameters(request: Request, body: bytes) -> dict[str, Any]:
    """Of the query, and of the form or JSON of the body. One that is repeated has a list."""
    found: dict[str, Any] = {}
    is_json = body.lstrip().startswith(b"{")
    for part in (request.scope["query_string"], b"" if is_json else body):
        try:
            found |= parse_qs(part.decode(errors="replace"), max_num_fields=_MOST)
        except ValueError:
            raise RequestRefusedError(400, f"more than {_MOST:,} parameters") from None
    return found | values.parse_json(body) if is_json else found
