"""The golden corpus of the event contract, which implementations in other languages run too: tests/golden/README.md."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import asdict

from tests.support.processes import ROOT
from worker.contract.codec import decode
from worker.contract.events import EVENT_TYPES, Event, SongRef
from worker.contract.identity import canonical_title
from worker.errors import InvalidEventError, Reason

GOLDEN: Final = Path(__file__).resolve().parents[1] / "golden"
Vector = dict[str, Any]
_OPTIONAL: Final = {"artists", "album_artist"}
# What is not said of the event alone, but of its entry, its user, the database or its readers.
NOT_OF_THE_EVENT: Final = {
    Reason.MISSING_EVENT, Reason.UNKNOWN_USER, Reason.ID_CONFLICT, Reason.REFUSED_BY_DATABASE, Reason.KILLS_READER,
}  # fmt: skip


def vectors(name: str) -> list[Vector]:
    found: list[Vector] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="ascii"))
    return found


ACCEPTED: Final = vectors("accepted")
REFUSED: Final = vectors("refused")


def payload(vector: Vector) -> bytes:
    if "event" in vector:
        return str(vector["event"]).encode()
    return base64.b64decode(vector["event_base64"], validate=True)


def decoded(vector: Vector) -> Event:
    received = vector.get("received")
    entry_id = received and f"{round(datetime.fromisoformat(received).timestamp() * 1000)}-0"
    return decode(payload(vector), now=datetime.fromisoformat(vector["now"]), entry_id=entry_id)


def instant(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def normalised(event: Event) -> dict[str, Any]:
    fields = {name: value for name, value in asdict(event).items() if name != "sent_at"}
    fields |= {"type": event.type, "time": instant(event.time.at), "offset_minutes": event.time.offset_minutes}
    if event.time.reported_at is not None:
        fields["reported_at"] = instant(event.time.reported_at)
    if "song" in fields:
        song: SongRef = fields["song"]
        # Younger than the first vectors, which have no word of them.
        told = {name: value for name, value in asdict(song).items() if value is not None or name not in _OPTIONAL}
        fields["song"] = {**told, "same_as": [canonical_title(song.artist), canonical_title(song.title)]}
    return fields


@pytest.mark.parametrize("vector", ACCEPTED, ids=[vector["name"] for vector in ACCEPTED])
def test_an_event_is_accepted_as_the_corpus_says(vector: Vector) -> None:
    # Compared as JSON: to Python 1, 1.0 and True are equal.
    assert json.dumps(normalised(decoded(vector)), sort_keys=True) == json.dumps(vector["accepted"], sort_keys=True)


@pytest.mark.parametrize("vector", REFUSED, ids=[vector["name"] for vector in REFUSED])
def test_an_event_is_refused_with_the_reason_of_the_corpus(vector: Vector) -> None:
    with pytest.raises(InvalidEventError) as caught:
        decoded(vector)
    assert caught.value.reason == vector["refused"]


def test_the_corpus_covers_every_type_and_every_reason() -> None:
    assert {vector["accepted"]["type"] for vector in ACCEPTED} == EVENT_TYPES
    assert {vector["refused"] for vector in REFUSED} == set(Reason) - NOT_OF_THE_EVENT
    names = [vector["name"] for vector in (*ACCEPTED, *REFUSED)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("vector", ACCEPTED, ids=[vector["name"] for vector in ACCEPTED])
def test_the_json_schema_accepts_every_accepted_event(vector: Vector) -> None:
    schema = json.loads((ROOT / "docs" / "event.schema.json").read_text())
    Draft202012Validator(schema).validate(json.loads(payload(vector)))
