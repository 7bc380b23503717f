"""Sort a batch into events to record and dead letters."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import uuid4

from worker.contract.codec import decode
from worker.contract.events import Accepted
from worker.errors import InvalidEventError, Reason, RowRefusedError
from worker.failpoints import POISON, Point, armed_for, hit
from worker.recorders.dead_letters import Letter
from worker.stream.entries import Batch, Entry


class Triaged(NamedTuple):
    accepted: list[Accepted]
    letters: list[Letter]


def triage(entries: Sequence[Entry], now: datetime) -> Triaged:
    """Decode each entry by itself: one that is no event does not stop its neighbours."""
    if armed_for(Point.AT_POISON) and any(POISON in (entry.payload or b"") for entry in entries):
        hit(Point.AT_POISON)
    accepted: list[Accepted] = []
    letters: list[Letter] = []
    for entry in entries:
        entry_id, payload = entry.id, entry.payload
        try:
            if payload is None:
                letters.append(Letter(entry_id, entry.stray, _missing_event()))
            else:
                accepted.append(Accepted(entry_id, payload, decode(payload, now=now, entry_id=entry_id)))
        except InvalidEventError as error:
            # A copy: a raised error holds on to its frames, and they to this list and its payloads.
            letters.append(Letter(entry_id, payload or b"", InvalidEventError(error.reason, error.detail)))
    return Triaged(accepted, letters)


def harmless_events(now: datetime) -> list[Accepted]:
    """Make a valid event of each type, to show that recording works. No real user or song is in them."""
    name = f"zik probe {uuid4()}"
    common = {"time": now.isoformat(), "user": name}
    song = {"title": name, "artist": name}
    fields = (
        {"type": "play", "song": song, **common},
        {"type": "favorite", "song": song, "favorite": True, **common},
        {"type": "preference", "key": "probe", "value": name, **common},
    )
    payloads = [json.dumps(each).encode() for each in fields]
    return [Accepted(f"0-{i}", payload, decode(payload, now=now)) for i, payload in enumerate(payloads, 1)]


def poisoned_letters(batch: Batch) -> Triaged:
    """Dead letters for entries that killed every reader."""
    error = InvalidEventError(
        Reason.KILLS_READER, "every process that tried to record it, among its neighbours and alone, died or hit a bug"
    )
    return Triaged([], [Letter(entry.id, entry.payload or entry.stray, error) for entry in batch.entries])


def refused(entry: Accepted, refusal: RowRefusedError) -> Letter:
    """The dead letter for an event whose row the database refuses."""
    return Letter(entry.entry_id, entry.payload, InvalidEventError(Reason.REFUSED_BY_DATABASE, str(refusal)))


def _missing_event() -> InvalidEventError:
    return InvalidEventError(Reason.MISSING_EVENT, "the stream entry has no field `event`")
