"""Read the parameters of a request: of its query, and of a form in its body."""

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from worker.http.refusals import RequestRefusedError

# Fifty tracks with every parameter that Last.fm has, several times.
_MOST: Final = 5_000


def user_agent(request: Request) -> str | None:
    """The first word of the User-Agent: the client, where its protocol does not name it."""
    return request.headers.get("user-agent", "").partition(" ")[0].strip() or None


def parameters(request: Request, body: bytes) -> dict[str, str]:
    """All parameters; those of the body win. Bytes that are not UTF-8 become U+FFFD, as browsers write them.

    Raises:
        RequestRefusedError: 400 above 5,000 parameters.
    """
    found: dict[str, str] = {}
    for part in (request.scope["query_string"], body):
        try:
            found |= parse_qsl(part.decode(errors="replace"), keep_blank_values=True, max_num_fields=_MOST)
        except ValueError:
            raise RequestRefusedError(400, f"more than {_MOST:,} parameters") from None
    return found
