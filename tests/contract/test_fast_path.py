"""The short cut for ordinary plays reads them exactly as the contract does, or leaves them to it."""

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.contract.test_golden import ACCEPTED, REFUSED
from tests.contract.test_golden import payload as golden_payload
from tests.support.events import event_id, favorite, payload, play, preference, song
from tests.support.strategies import CHEAP
from worker.contract.events import MAX_DURATION_MS, MAX_SONG_TEXT, MAX_SOURCE, MAX_USER
from worker.contract.fast_path import decode_common_play
from worker.contract.wire import validate

# What a field may hold, as it stands in the JSON text: good, bad, and what two parsers may see differently.
NUMBERS = (
    "0", "1", "-1", "-0", "1.0", "1e2", "01", "+1", "true", "null", '"1"', str(MAX_DURATION_MS),
    str(MAX_DURATION_MS + 1), "9223372036854775808", "1" * 40, "NaN",
)  # fmt: skip
TEXTS = (
    '"a"', '""', '" "', '"a "', '"\\ta"', '"\\u001ca"', '"\\u00a0"', '"a\\u2003"', '"\\u0000"', '"\\ud800"',
    '"\\ud83c\\udfb5"', '"é"', '"e\\u0301"', '"🎵"', '"\\u212b"', '"a\nb"', '"\\q"', "null", "5", '["a"]',
    json.dumps("u" * MAX_USER), json.dumps("u" * (MAX_USER + 1)), json.dumps("🎵" * MAX_SOURCE, ensure_ascii=False),
    json.dumps("s" * (MAX_SOURCE + 1)), json.dumps("🎵" * MAX_SONG_TEXT, ensure_ascii=False),
    json.dumps("t" * (MAX_SONG_TEXT + 1)), json.dumps("t" * MAX_SONG_TEXT + " "),
)  # fmt: skip
TIMES = (
    '"2021-04-22T05:40:53Z"', '"2021-04-22t05:40:53.123z"', '"2021-04-22T05:40:53.123456789+02:00"',
    '"2021-04-22T05:40:53-00:00"', '"2021-04-22T05:40:53-09:30"', '"2021-04-22T05:40:53+23:59"',
    '"2021-04-22T05:40:53Z\\n"', '"2021-04-22T05:40:53"', '"2021-04-22 05:40:53Z"', '"20210422T054053Z"',
    '"2021-W16-4T05:40:53Z"', '"2021-04-22T05:40:53,5Z"', '"2021-04-22T05:40:53+0200"', '"2021-04-22T05:40:53+02"',
    '"2021-04-22T05:40:53+02:00:30"', '"2021-04-22T24:00:00Z"', '"2021-02-30T05:40:53Z"', '"2021-04-22T05:40:60Z"',
    '"0001-01-01T00:00:00+01:00"', '"9999-12-31T23:59:59-01:00"', '"٢٠٢١-04-22T05:40:53Z"', "1619070053", "null",
)  # fmt: skip
IDS = (
    json.dumps(event_id(1)), json.dumps(event_id(0xABC).upper()), '"00000000-0000-0000-0000-000000000000"', "null",
    '""', json.dumps(event_id(1) + "\n"), json.dumps(event_id(1).replace("-", "")), json.dumps("{" + event_id(1) + "}"),
)  # fmt: skip
TYPES = ('"play"', '"play"', '"favorite"', '"Play"', "null", "1")
# What only a parser minds that looks into it.
UNKNOWN = ("[" * 300 + "]" * 300, "1" * 5_000)
OBJECTS = ("null", "{}", '{"a": 1}', '{"isrc": "x"}', '{"a": [[[[[[[[[1]]]]]]]]]}', '{"a": NaN}', "[]", '"{}"')


def members(fields: dict[str, Iterable[str]]) -> st.SearchStrategy[str]:
    """A JSON object of some of these fields, in any order, some of them twice."""
    member = st.sampled_from(sorted(fields)).flatmap(
        lambda name: st.sampled_from(list(fields[name])).map(lambda value: f'"{name}": {value}')
    )
    return st.lists(member, max_size=3).map(", ".join)


SONG_FIELDS: dict[str, Iterable[str]] = {
    "title": TEXTS, "artist": TEXTS, "album": TEXTS, "duration_ms": NUMBERS, "ids": OBJECTS,
    "unknown": (*TEXTS, *OBJECTS, *UNKNOWN),
}  # fmt: skip
FIELDS: dict[str, Iterable[str]] = {
    "type": TYPES, "v": NUMBERS, "time": TIMES, "sent_at": TIMES, "id": IDS, "user": TEXTS, "source": TEXTS,
    "ms_played": NUMBERS, "context": OBJECTS, "unknown": (*TEXTS, *OBJECTS, *UNKNOWN), "song": OBJECTS,
}  # fmt: skip


@st.composite
def unusual_plays(draw: st.DrawFn) -> bytes:
    """A valid play, a few fields of which are said again, in front of the rest or after it."""
    told_song = f'"title": "Parabola", "artist": "Tool", {draw(members(SONG_FIELDS))}'.rstrip(", ")
    told = f'"type": "play", "time": "2021-04-22T05:40:53Z", "user": "ada", "song": {{{told_song}}}'
    parts = [part for part in (draw(members(FIELDS)), told, draw(members(FIELDS))) if part]
    return f"{{{', '.join(parts)}}}".encode()


def assert_read_alike(data: bytes) -> None:
    read = decode_common_play(data)
    if read is not None:
        try:
            assert read == validate(data.decode())
        except (ValidationError, UnicodeDecodeError):
            pytest.fail(f"the contract refuses {data!r}")


@CHEAP
@given(unusual_plays())
def test_a_play_is_read_as_the_contract_reads_it(data: bytes) -> None:
    assert_read_alike(data)


def raw(fields: dict[str, str]) -> str:
    members = ", ".join(f'"{name}": {value}' for name, value in fields.items())
    return f"{{{members}}}"


def told(fields: dict[str, object]) -> dict[str, str]:
    return {name: json.dumps(value) for name, value in fields.items()}


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_each_value_of_a_field_is_read_as_the_contract_reads_it(field: str) -> None:
    for value in FIELDS[field]:
        assert_read_alike(raw(told(play(id=event_id(1))) | {field: value}).encode())


@pytest.mark.parametrize("field", sorted(SONG_FIELDS))
def test_each_song_field_value_is_read_as_the_contract_reads_it(field: str) -> None:
    for value in SONG_FIELDS[field]:
        assert_read_alike(raw(told(play()) | {"song": raw(told(song()) | {field: value})}).encode())


@pytest.mark.parametrize("vector", [*ACCEPTED, *REFUSED], ids=lambda vector: str(vector["name"]))
def test_the_corpus_is_read_as_the_contract_reads_it(vector: dict[str, object]) -> None:
    assert_read_alike(golden_payload(vector))


@pytest.mark.parametrize(
    "fields",
    [
        play(),
        play(v=1, id=event_id(1), source="mpd/0.23", ms_played=1000, sent_at="2021-04-22T05:41:00.123Z"),
        play(time="2021-04-22T05:40:53.123456+02:00", song=song(title="é", album="Lateralus", duration_ms=183_000)),
        play(v=1, source=None, ms_played=None, context=None, song=song(album=None, duration_ms=None, ids=None)),
    ],
)
def test_common_plays_take_the_fast_path(fields: dict[str, object]) -> None:
    assert decode_common_play(payload(fields)) is not None


@pytest.mark.parametrize("fields", [favorite(), preference(), play(context={"a": 1}), play(user="Zoë"), play(client=1)])
def test_uncommon_events_do_not_take_the_fast_path(fields: dict[str, object]) -> None:
    assert decode_common_play(payload(fields)) is None
