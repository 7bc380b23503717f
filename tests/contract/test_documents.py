"""The contract's documents for other languages hold what the decoder does: every example in them is executed."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.support.events import NOW, Fields, entry_id_at
from worker.contract.codec import decode, encode
from worker.contract.events import EVENT_TYPES
from worker.contract.wire import json_schema

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "events.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```json\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
ASYNCAPI: Fields = yaml.safe_load((DOCS / "asyncapi.yaml").read_text(encoding="utf-8"))
SCHEMA = json_schema()
MESSAGES: Fields = ASYNCAPI["components"]["messages"]
ASYNCAPI_EXAMPLES = [
    pytest.param(kind, example["payload"], id=f"{kind}-{example['name']}")
    for kind, message in MESSAGES.items()
    for example in message["examples"]
]


def resolved(reference: str) -> Any:
    """What a `$ref` within the document, or into the schema beside it, points at."""
    file, _, path = reference.partition("#/")
    assert file in {"", "./event.schema.json"}
    node: Any = SCHEMA if file else ASYNCAPI
    for key in path.split("/"):
        node = node[key]
    return node


def references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [reference for item in node for reference in references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if "$ref" in node else []
    return own + [reference for value in node.values() for reference in references(value)]


def test_the_page_has_examples_of_every_event() -> None:
    assert {_decoded(example).type for example in EXAMPLES} == EVENT_TYPES
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_page_is_accepted(example: str) -> None:
    _decoded(example)


def test_the_page_pairs_a_favorite_with_its_removal() -> None:
    # Received later: a favorite that is dated ahead would count from its receipt.
    examples = [_decoded(example, received_at=NOW + timedelta(days=2)) for example in EXAMPLES]
    loved, taken_back = (event for event in examples if event.type == "favorite")

    assert loved.song.identity == taken_back.song.identity
    assert (loved.favorite, taken_back.favorite) == (True, False)
    assert loved.time.at < taken_back.time.at


def test_the_page_shows_how_a_wrong_clock_is_corrected() -> None:
    (corrected,) = (event for event in map(_decoded, EXAMPLES) if event.sent_at is not None)

    assert "Received at 2026-11-23T12:00:00Z, this play began 210 seconds earlier, at 11:56:30." in PAGE
    assert corrected.time.at.isoformat() == "2026-11-23T11:56:30+00:00"


def _decoded(example: str, *, received_at: datetime = NOW) -> Any:
    return decode(example.encode(), now=received_at, entry_id=entry_id_at(received_at))


def test_every_link_of_the_page_has_a_target() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", PAGE)

    assert links
    for link in links:
        assert (DOCS / link).resolve().is_file() or "golden" in link, link


@pytest.mark.parametrize("reference", references(ASYNCAPI))
def test_every_reference_of_the_asyncapi_document_resolves(reference: str) -> None:
    assert isinstance(resolved(reference), dict)


def test_the_asyncapi_document_has_every_event_and_its_schema() -> None:
    assert MESSAGES.keys() == EVENT_TYPES == ASYNCAPI["channels"]["events"]["messages"].keys()
    for kind, message in MESSAGES.items():
        assert resolved(message["payload"]["$ref"])["properties"]["type"]["const"] == kind


def test_the_asyncapi_document_names_the_stream_and_the_field() -> None:
    channel = ASYNCAPI["channels"]["events"]

    assert channel["title"] == "zik:{events}"
    assert "XADD zik:{events} * event" in channel["description"]


@pytest.mark.parametrize(("kind", "payload"), ASYNCAPI_EXAMPLES)
def test_an_asyncapi_example_is_accepted_and_fits_its_schema(kind: str, payload: Fields) -> None:
    assert decode(encode(payload), now=NOW).type == kind
    Draft202012Validator(
        {**SCHEMA, "$ref": MESSAGES[kind]["payload"]["$ref"].removeprefix("./event.schema.json")}
    ).validate(payload)
