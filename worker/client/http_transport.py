"""Send batches to `zik serve`, whose 200 means that Redis holds every event that it calls accepted."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from typing import Final, Literal, NamedTuple, NoReturn

import msgspec
import urllib3
from urllib3.exceptions import HTTPError, InvalidHeader, LocationParseError
from urllib3.util import Retry, Timeout, Url, parse_url

from worker import __version__
from worker.client.http_access import checked_token, checked_url, trusted_certificates
from worker.errors import NotDurableError, SettingsError, StreamMisusedError, StreamUnavailableError, ZikError
from worker.escaping import printable
from worker.stream.transport import Appended

_PATH: Final = "/v1/events"
_CONNECT_TIMEOUT_S: Final = 10.0
# The server takes 20 s for the body and 5 s for Redis, and says so itself when either takes longer.
_READ_TIMEOUT_S: Final = 30.0
# What proxies let through unless somebody has set another limit.
_MOST_BYTES: Final = 1_000_000
_MOST_EVENTS: Final = 1_000
_MOST_ANSWER_BYTES: Final = 64 * 1024
_MOST_VERDICT_BYTES: Final = 2 * 1024
_MOST_SHOWN: Final = 300


class _Verdict(msgspec.Struct):
    status: Literal["accepted", "refused"]
    reason: str | None = None
    detail: str | None = None


class _Verdicts(msgspec.Struct):
    events: list[_Verdict]


class _Answer(NamedTuple):
    status: int
    retry_after_s: float
    location: str | None
    body: bytes


class HttpTransport:
    """A `Transport` over one connection that stays open. It repeats nothing by itself, and follows no redirect.

    Args:
        url: where the server's paths begin: `https://`, or `http://` on this machine.
        token: goes to this server only, and into no text.

    Raises:
        SettingsError: `url` or `token` cannot be used. Also of `append`, where the server refuses either.
    """

    def __init__(self, url: str, token: str) -> None:
        self._base = checked_url(url)
        self._token = token
        self._headers = {
            "Authorization": f"Token {checked_token(token)}",
            "Content-Type": "application/x-ndjson",
            "User-Agent": f"zik-client/{__version__}",
        }
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=1,
            timeout=Timeout(connect=_CONNECT_TIMEOUT_S, read=_READ_TIMEOUT_S),
            ssl_context=trusted_certificates() if self._base.startswith("https:") else None,
        )

    def close(self) -> None:
        self._pool.clear()

    def waiting(self) -> NoReturn:
        raise StreamMisusedError(f"{self._base} does not count what waits", way_out="leave out max_waiting")

    def append(self, payloads: Iterable[bytes], *, durable: bool = False, counted: bool = False) -> Appended:
        """Send events in order.

        Raises:
            StreamUnavailableError: the server is out of reach, or its answer is none. `retry_after_s` is its wish.
            NotDurableError, StreamMisusedError: `durable` and `counted` are not for a client over HTTP.
        """
        if durable:
            raise NotDurableError(NOT_DURABLE)
        if counted:
            self.waiting()
        verdicts = [verdict for part in _parts(payloads) for verdict in self._send(part)]
        refused = {number: self._why(each) for number, each in enumerate(verdicts) if each.status == "refused"}
        return Appended([], None, refused)

    def _send(self, part: Sequence[bytes]) -> list[_Verdict]:
        answer = self._request(part)
        if answer.status in {408, 413} and len(part) > 1:
            # Too large for a proxy's limit, or for this line within the time that the server allows.
            middle = len(part) // 2
            return [*self._send(part[:middle]), *self._send(part[middle:])]
        if answer.status != 200:  # noqa: PLR2004
            raise self._meaning_of(answer)
        try:
            verdicts = msgspec.json.decode(answer.body, type=_Verdicts).events
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise StreamUnavailableError(
                f"{self._base} answers with something that is not zik's",
                way_out="a network that asks to sign in does that; otherwise correct the URL",
            ) from None
        if len(verdicts) != len(part):
            raise StreamUnavailableError(f"{self._base} has answered for {len(verdicts):,} of {len(part):,} events")
        return verdicts

    def _request(self, part: Sequence[bytes]) -> _Answer:
        most = _MOST_ANSWER_BYTES + _MOST_VERDICT_BYTES * len(part)
        try:
            response = self._pool.request(
                "POST",
                self._base + _PATH,
                body=b"\n".join(part) + b"\n",
                headers=self._headers,
                redirect=False,
                retries=False,
                preload_content=False,
            )
            # What is not read to its end takes the connection with it.
            with closing(response):
                # As it is: what is compressed small may be large.
                body = response.read(most, decode_content=False)
        except (HTTPError, OSError) as error:
            # urllib3 puts the address of an object into its own text.
            cause = printable(str(error.__cause__ or error))[:_MOST_SHOWN]
            raise StreamUnavailableError(f"{self._base} is out of reach: {cause}") from error
        headers = response.headers
        return _Answer(response.status, _seconds(headers.get("retry-after", "")), headers.get("location"), body)

    def _meaning_of(self, answer: _Answer) -> ZikError:
        """Say what an answer to the request as a whole asks for."""
        status = answer.status
        if status in {401, 403}:
            found = f"token: {self._base} refuses it ({status})"
            way_out = "make one with `zik token create`, of the scope submit, and give it as token="
            return SettingsError(found, way_out=way_out)
        if status in {404, 405}:
            found = f"url: no zik answers at {self._base}{_PATH} ({status})"
            return SettingsError(found, way_out="give the address where `zik serve` is reached, without /v1/events")
        if status == 413:  # noqa: PLR2004
            found = f"{self._base} refuses even a single event as too large (413)"
            return SettingsError(found, way_out="a proxy in front of zik must allow bodies of 32 KiB or more")
        if answer.location is not None and 300 <= status < 400:  # noqa: PLR2004
            found = f"{self._base} redirects to {_origin(answer.location)} ({status})"
            way_out = "give that address as the URL if it is zik's; a network that asks to sign in redirects, too"
            return StreamUnavailableError(found, way_out=way_out)
        found = f"{self._base} cannot take events now ({status})"
        return StreamUnavailableError(found, retry_after_s=answer.retry_after_s)

    def _why(self, verdict: _Verdict) -> str:
        why = ": ".join(text for text in (verdict.reason, verdict.detail) if text) or "no reason given"
        return printable(why.replace(self._token, "***"))[:_MOST_SHOWN]


NOT_DURABLE: Final = (
    "durable=True is not possible over HTTP: the server answers when its Redis holds an event, and that Redis has "
    "settings of its own (appendonly, appendfsync) by which it goes to its disk. Leave out durable"
)


def _parts(payloads: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The payloads in order, as much at once as one request should carry."""
    part: list[bytes] = []
    size = 0
    for payload in payloads:
        if part and (size + len(payload) >= _MOST_BYTES or len(part) >= _MOST_EVENTS):
            yield part
            part, size = [], 0
        part.append(payload)
        size += len(payload) + 1
    if part:
        yield part


def _seconds(retry_after: str) -> float:
    with suppress(InvalidHeader, ValueError, OverflowError):
        return Retry().parse_retry_after(retry_after)
    return 0.0


def _origin(location: str) -> str:
    """The server that a redirect leads to. The rest may hold what nobody else should read."""
    with suppress(LocationParseError):
        parts = parse_url(location)
        if parts.host:
            return printable(Url(scheme=parts.scheme, host=parts.host, port=parts.port).url)[:_MOST_SHOWN]
    return "another path"
