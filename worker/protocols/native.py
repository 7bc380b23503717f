"""Read the native door's body: events of the contract, each answered by itself.

The body is JSON Lines (https://jsonlines.org), of which each line goes to the stream as it came, or one JSON array.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from msgspec import MsgspecError
from msgspec.json import Decoder

from worker.contract.codec import decode
from worker.contract.events import MAX_EVENT_BYTES
from worker.contract.identity import canonical_user, typed_user
from worker.errors import InvalidEventError, MalformedRequestError
from worker.protocols import values
from worker.protocols.submission import Item, bounded, written

# Not one of the contract's reasons: only a token makes a user wrong.
WRONG_USER: Final = "wrong_user"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_SPACE: Final = b" \t\r"

_json: Final = Decoder()


class Judged(NamedTuple):
    """One event of a request and its answer. `item` is None where nothing of it may reach the stream.

    `answer` is valid once Redis has the event; only an accepted one has no reason.
    """

    item: Item | None
    answer: dict[str, str | None]


class _Receipt(NamedTuple):
    """What is the same for all events of a request. `token_user` is None for an admin."""

    entry_id: str
    now: datetime
    token_user: str | None


def events_of(body: bytes, *, user: str, is_admin: bool, now: datetime) -> list[Judged]:
    """Read every event of a body, in its order.

    Blank lines are skipped. An event of another user than the token's is refused, unless the token is an admin's. That
    one is no dead letter: retried after an upgrade, it would be recorded for that other user.

    Raises:
        MalformedRequestError: it has no event or more than 10,000, or begins as an array and is none.
    """
    token_user = None if is_admin else canonical_user(user)
    # As Redis would receive it now, so that `sent_at` corrects a wrong clock here as it will there.
    receipt = _Receipt(f"{int(now.timestamp() * 1000)}-0", now, token_user)
    judged = [_judge(payload, receipt) for payload in bounded(_payloads(body.removeprefix(_BYTE_ORDER_MARK)))]
    if not judged:
        raise MalformedRequestError("the body has no event: it must be JSON Lines, or a JSON array of events")
    return judged


def _payloads(body: bytes) -> Iterator[bytes]:
    if body.lstrip().startswith(b"["):
        array = values.parse_json(body)
        yield from map(written, bounded(array))
        return
    start = 0
    # Not split(), which would make a list of a line for each byte of a hostile body.
    while start < len(body):
        end = body.find(b"\n", start)
        end = len(body) if end < 0 else end
        if line := body[start:end].strip(_SPACE):
            yield line
        start = end + 1


def _judge(payload: bytes, receipt: _Receipt) -> Judged:
    try:
        event = decode(payload, now=receipt.now, entry_id=receipt.entry_id)
    except InvalidEventError as error:
        return _refused(payload, error, receipt.token_user)
    if receipt.token_user is not None and event.user != receipt.token_user:
        return _of_wrong_user(event.id)
    return Judged(Item(payload, event, None), _answer(event.id, "accepted"))


def _refused(payload: bytes, error: InvalidEventError, token_user: str | None) -> Judged:
    try:
        sent = _json.decode(payload)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        sent = None
    event_id = sent.get("id") if isinstance(sent, dict) else None
    named = values.optional(event_id, 64)
    user = sent.get("user") if isinstance(sent, dict) else None
    if token_user is not None and isinstance(user, str) and typed_user(user) != token_user:
        return _of_wrong_user(named)
    # One byte more than an event may have is enough for a worker to refuse it for its size, too.
    item = Item(payload[: MAX_EVENT_BYTES + 1], None, error)
    return Judged(item, _answer(named, "refused", reason=error.reason.value, detail=error.detail))


def _of_wrong_user(event_id: str | None) -> Judged:
    detail = "user: must be the token's; only a token with the scope admin may write for others"
    return Judged(None, _answer(event_id, "refused", reason=WRONG_USER, detail=detail))


def _answer(
    event_id: str | None, status: str, *, reason: str | None = None, detail: str | None = None
) -> dict[str, str | None]:
    return {"id": event_id, "status": status, "reason": reason, "detail": detail}


def answer(judged: list[Judged]) -> dict[str, Any]:
    """The body of a 200: one answer for each event, in the order of the request."""
    return {"events": [one.answer for one in judged]}
