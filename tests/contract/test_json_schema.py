import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from tests.support.events import Fields, favorite, play, preference, song
from tests.support.strategies import CHEAP, events
from worker.contract.wire import json_schema

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "event.schema.json"
VALIDATOR = Draft202012Validator(json_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)

# The examples of the contract's page, with their gaps filled.
EXAMPLES: dict[str, Fields] = {
    "play": {
        "v": 1,
        "id": "01938a4e-0000-7000-8000-000000000001",
        "type": "play",
        "time": "2026-11-23T21:04:11+01:00",
        "user": "ada",
        "source": "mpd/0.23.14",
        "song": {
            "title": "Parabola",
            "artist": "Tool",
            "album": "Lateralus",
            "duration_ms": 183000,
            "ids": {"isrc": "USZO10100001", "mbid": "8f3471b5"},
        },
        "ms_played": 181200,
        "context": {"shuffle": True},
    },
    "favorite": favorite(v=1),
    "preference": preference(v=1, value={"now": "calm"}),
}


def test_the_committed_schema_is_the_one_that_the_models_make() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def test_the_schema_is_a_valid_one_of_2020_12() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_the_schema_accepts_the_contracts_examples(example: Fields) -> None:
    VALIDATOR.validate(example)


@CHEAP
@given(fields=events)
def test_the_schema_accepts_every_event_the_worker_accepts(fields: Fields) -> None:
    VALIDATOR.validate(fields)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param([], id="I5-array"),
        pytest.param(play(type="seek"), id="I18"),
        pytest.param(play(type=...), id="no-type"),
        pytest.param(play(v=2), id="I19"),
        pytest.param(play(user=...), id="I21-missing"),
        pytest.param(play(user=""), id="I21-empty"),
        pytest.param(play(user="x" * 65), id="I23"),
        pytest.param(play(ms_played="12"), id="I28-text"),
        pytest.param(play(ms_played=True), id="I28-true"),
        pytest.param(play(time="2021-04-22T05:40:53"), id="I29-naive"),
        pytest.param(play(time=1619070053), id="I30-epoch"),
        pytest.param(play(ms_played=-1), id="I34"),
        pytest.param(play(song=song(artist=...)), id="no-artist"),
        pytest.param(play(song=song(title="a" * 501)), id="long-title"),
        pytest.param(play(id="abc"), id="I44"),
        pytest.param(favorite(favorite=1), id="favorite-is-1"),
        pytest.param(preference(key="Mood"), id="key-in-capitals"),
        pytest.param(preference(value=...), id="no-value"),
    ],
)
def test_the_schema_refuses_each_invalid_event(bad: Any) -> None:
    assert not VALIDATOR.is_valid(bad)


def test_the_schema_ignores_unknown_fields() -> None:
    VALIDATOR.validate(play(mood="calm", song=song(mood="calm")))
