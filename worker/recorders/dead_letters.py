"""Dead letters: what cannot be recorded is kept with its reason, in the transaction of its batch."""

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
_MOST_DETAIL: Final = 500


class Letter(NamedTuple):
    entry_id: str
    payload: bytes
    error: InvalidEventError


def bury(connection: Connection, letters: Sequence[Letter]) -> None:
    """Keep the letters. One whose entry is already kept, because a worker died before acknowledging it, stays one."""
    if letters:
        connection.execute(_INSERT, [_row(letter) for letter in sorted(letters, key=lambda letter: letter.entry_id)])


def _row(letter: Letter) -> dict[str, object]:
    detail = told(letter.error)
    if len(letter.payload) > MAX_EVENT_BYTES:
        # The beginning is kept; the digest tells whether a copy found elsewhere is the same.
        detail = f"{detail}; sha256 {hashlib.sha256(letter.payload).hexdigest()}"
    return {
        "entry_id": letter.entry_id,
        "reason": letter.error.reason.value,
        "detail": detail,
        "payload": letter.payload[:MAX_EVENT_BYTES],
    }


def told(error: InvalidEventError) -> str:
    """The detail on one short line, whatever a client put into a field's name. PostgreSQL refuses U+0000 in text."""
    return printable(error.detail)[:_MOST_DETAIL]
