"""Show dead letters: what came, from which client, and why it was not recorded. Whatever came, it is shown as text."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic_core import from_json

from worker.contract.identity import typed_user
from worker.models import DeadLetter
from worker.operations.dead_letters import NOT_KEPT
from worker.pages.reasons import sentence

# Enough to see what a player gets wrong.
_MOST_SHOWN: Final = 4_000
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True)
class ShownLetter:
    """A letter as text. `user` is None where the payload is not one event that names its user.

    `why` is a sentence for the reason. `names` are title and artist, as far as they are there, else the event's type.
    """

    number: int
    since: datetime
    reason: str
    detail: str
    why: str
    attempts: int
    client: str
    user: str | None
    names: Sequence[str]
    payload: str
    can_retry: bool

    @property
    def what(self) -> str:
        return ", ".join(self.names)


def shown_letter(letter: DeadLetter) -> ShownLetter:
    event = _event_of(letter.payload)
    user = event.get("user")
    text = letter.payload.decode(errors="backslashreplace")
    cut = f" … ({len(text) - _MOST_SHOWN:,} characters more)" if len(text) > _MOST_SHOWN else ""
    return ShownLetter(
        number=letter.id,
        since=letter.created_at,
        reason=letter.reason,
        detail=letter.detail,
        why=sentence(letter.reason, letter.detail),
        attempts=letter.attempts,
        client=_text(event.get("source")) or _UNKNOWN,
        user=typed_user(user) if isinstance(user, str) else None,
        names=_names(event),
        payload=text[:_MOST_SHOWN] + cut,
        can_retry=letter.reason not in NOT_KEPT,
    )


def by_client(letters: Iterable[ShownLetter]) -> list[tuple[str, int]]:
    """How many letters each client has sent, those with most first."""
    return Counter(letter.client for letter in letters).most_common()


def _event_of(payload: bytes) -> dict[str, Any]:
    try:
        event = from_json(payload)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _names(event: dict[str, Any]) -> Sequence[str]:
    song = event.get("song")
    names = [_text(song.get(field)) for field in ("title", "artist")] if isinstance(song, dict) else []
    return list(filter(None, names)) or list(filter(None, [_text(event.get("type"))]))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
