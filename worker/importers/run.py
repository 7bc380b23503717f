"""Mark the plays of one run of `zik import`, so that the whole import can be taken back."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from worker.contract.codec import encode
from worker.contract.events import IMPORT, MAX_EVENT_BYTES


def new_import_id(random: UUID) -> str:
    """Eight characters: it is stored with each play, and need be unique only among the imports of one user."""
    return random.hex[-8:]


def marking(import_id: str, publish: Callable[[list[bytes]], object]) -> Callable[[list[bytes]], None]:
    """Publish events whose plays have the import's id in their `context`. It is no part of what identifies a play."""

    def publish_marked(payloads: list[bytes]) -> None:
        publish([_marked(payload, import_id) for payload in payloads])

    return publish_marked


def _marked(payload: bytes, import_id: str) -> bytes:
    event: dict[str, Any] = from_json(payload)
    if event["type"] != "play":
        return payload
    marked = encode(event | {"context": (event.get("context") or {}) | {IMPORT: import_id}})
    # Better recorded without the mark than refused.
    return marked if len(marked) <= MAX_EVENT_BYTES else payload
