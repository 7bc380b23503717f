"""Let a person in with a token: a session in Redis that dies with its token, and forms that no other site can send."""

import hashlib
import hmac
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from starlette.requests import Request

from worker.http.origin import client_address, is_behind_tls
from worker.http.refusals import RequestRefusedError
from worker.http.services import Services
from worker.operations.tokens import Scope, Token, digest_of

COOKIE: Final = "zik-session"
FORM: Final = "form"
_KEEP_S: Final = 30 * 86_400
_SECRET: Final = re.compile(r"[\w-]{43}", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")

_ATTEMPTS: Final = 10.0
_ATTEMPT_EVERY_S: Final = 6.0
_MOST_ADDRESSES: Final = 10_000


class Visit(NamedTuple):
    """One request of a browser. `secret` is its cookie, made up where it has none; `token` is None unless signed in."""

    secret: str
    token: Token | None

    @property
    def form(self) -> str:
        """What every form carries: it follows from the cookie, which no other site can read or set."""
        return hmac.new(self.secret.encode(), FORM.encode(), hashlib.sha256).hexdigest()[:32]

    def check(self, sent: Mapping[str, str]) -> None:
        """Raises `RequestRefusedError` (403) unless the form is one of this browser's."""
        if not hmac.compare_digest(sent.get(FORM, "").encode(), self.form.encode()):
            raise RequestRefusedError(403, "this form is too old, or cookies are off: open the page again")

    @property
    def is_operator(self) -> bool:
        return self.token is not None and Scope.ADMIN in self.token.scopes

    def may_look(self, user: str) -> bool:
        return self.token is not None and _may(self.token, user, Scope.READ)

    def may_change(self, user: str) -> bool:
        return self.token is not None and _may(self.token, user, Scope.SUBMIT)


def _may(token: Token, user: str, scope: Scope) -> bool:
    return Scope.ADMIN in token.scopes or (token.username == user and scope in token.scopes)


class Sessions:
    """Sessions in Redis, under the digest of their cookie: whoever reads Redis can open none."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._attempts = Attempts(time.monotonic)

    async def visit(self, request: Request) -> Visit:
        """Who sends the request. Raises `StreamUnavailableError` where a session cannot be looked up."""
        secret = request.cookies.get(COOKIE, "")
        if not _SECRET.fullmatch(secret):
            return Visit(secrets.token_urlsafe(32), None)
        digest = (await self._services.stream.get(_name(secret)) or b"").decode()
        token = await self._services.tokens.with_digest(digest) if _DIGEST.fullmatch(digest) else None
        return Visit(secret, token)

    async def sign_in(self, request: Request, text: str) -> Visit | None:
        """Open a session with a token's text; None if there is no such token, or it may not read.

        Raises:
            RequestRefusedError: 429 after many attempts from one address.
        """
        self._attempts.count(client_address(request))
        token = await self._services.tokens.identify(text)
        if token is None or not _may(token, token.username, Scope.READ):
            return None
        # Another secret than before, so that no one signs a person in to a session that they know.
        secret = secrets.token_urlsafe(32)
        await self._services.stream.put(_name(secret), digest_of(text).encode(), ttl_s=_KEEP_S)
        return Visit(secret, token)

    async def sign_out(self, visit: Visit) -> None:
        await self._services.stream.take(_name(visit.secret))


def cookie(request: Request, visit: Visit) -> dict[str, str]:
    """The header that lets the browser keep the visit's secret, from scripts and other sites."""
    secure = "; Secure" if is_behind_tls(request) else ""
    return {"set-cookie": f"{COOKIE}={visit.secret}; Path=/; Max-Age={_KEEP_S}; HttpOnly; SameSite=Strict{secure}"}


class Attempts:
    """How often each address may try to sign in: ten times at once, then every six seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def count(self, address: str) -> None:
        """Raises `RequestRefusedError` (429) where the address has no attempt left."""
        now = self._monotonic()
        left, since = self._left.pop(address, (_ATTEMPTS, now))
        left = min(_ATTEMPTS, left + (now - since) / _ATTEMPT_EVERY_S)
        is_allowed = left >= 1
        self._left[address] = (left - is_allowed, now)
        if len(self._left) > _MOST_ADDRESSES:
            self._left.popitem(last=False)
        if not is_allowed:
            text = "too many attempts to sign in: try again in a few seconds"
            raise RequestRefusedError(429, text, retry_after_s=int(_ATTEMPT_EVERY_S))


def _name(secret: str) -> str:
    return f"session:{digest_of(secret)}"
