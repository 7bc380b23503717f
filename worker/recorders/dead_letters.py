"""Keep what cannot be recorded as dead letters, each with its reason, in the transaction of its batch."""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from worker.contract.events import MAX_EVENT_BYTES
from worker.errors import InvalidEventError
from worker.escaping import printable

_INSERT: Final = text(
    """
    INSERT INTO dead_letters (entry_id, reason, detail, payload)
    VALUES (:entry_id, :reason, :detail, :payload)
    ON CONFLICT (entry_id) DO NOTHING
    """
)
_MAX_DETAIL: Final = 500


class Letter(NamedTuple):
    entry_id: str
    payload: bytes
    error: InvalidEventError


def bury(connection: Connection, letters: Sequence[Letter]) -> None:
    """Store the letters, once for each entry: a worker may have died between storing and acknowledging it."""
    if letters:
        connection.execute(_INSERT, [_row(letter) for letter in sorted(letters, key=lambda letter: letter.entry_id)])


def _row(letter: Letter) -> dict[str, object]:
    detail = short_detail(letter.error)
    if len(letter.payload) > MAX_EVENT_BYTES:
        # Only the beginning is kept. The digest identifies a full copy found elsewhere.
        detail = f"{detail}; sha256 {hashlib.sha256(letter.payload).hexdigest()}"
    return {
        "entry_id": letter.entry_id,
        "reason": letter.error.reason.value,
        "detail": detail,
        "payload": letter.payload[:MAX_EVENT_BYTES],
    }


def short_detail(error: InvalidEventError) -> str:
    """The detail on one short line, whatever the client named its fields. PostgreSQL refuses U+0000 in text."""
    return printable(error.detail)[:_MAX_DETAIL]
