"""The reader reads an event exactly as the contract does, or leaves it to the contract, and leaves it few valid ones.

Generated are JSON texts, not values: two parsers may differ in what Python would never write.
"""

import json
from collections.abc import Iterable
from typing import Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.json import encode as quick_json

from tests.contract.test_golden import ACCEPTED, REFUSED
from tests.contract.test_golden import payload as golden_payload
from tests.support.events import NOW, Fields, event_id, favorite, payload, play, preference, song
from tests.support.strategies import CHEAP, json_values
from worker.contract.codec import _validated as by_the_contract
from worker.contract.codec import decode
from worker.contract.events import (
    MAX_ARTISTS,
    MAX_DURATION_MS,
    MAX_ID_NAME,
    MAX_ID_VALUE,
    MAX_IDS,
    MAX_SONG_TEXT,
    MAX_SOURCE,
    MAX_USER,
    Event,
    PreferenceEvent,
)
from worker.contract.json_limits import MAX_BYTES, compact_json
from worker.contract.reader import read
from worker.errors import InvalidEventError

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
TYPES = ('"play"', '"play"', '"favorite"', '"preference"', '"Play"', "null", "1")
KEYS = (
    '"mood"',
    '"Mood"',
    '"0k"',
    '""',
    '"k\\n"',
    '" mood"',
    '"\\u006dood"',
    '"timezone"',
    json.dumps("k" * 65),
    "null",
    "1",
)
BOOLEANS = ("true", "false", "null", "0", "1", "1.0", '"true"', "True", "tru", "truee")
# What only a parser minds that looks into it.
UNKNOWN = (
    "[" * 300 + "]" * 300,
    '{"a":' * 300 + "1" + "}" * 300,
    "1" * 5_000,
    "1e400",
    "tru",
    '{"a" 1}',
    "[1,]",
    "nul",
)
OBJECTS = ("null", "{}", '{"a": 1}', '{"isrc": "x"}', '{"a": [[[[[[[[[1]]]]]]]]]}', '{"a": NaN}', "[]", '"{}"')
IDS_OF_SONGS = (
    *OBJECTS, '{"a": "x", "a": "y"}', '{"a": " ", "a": "y"}', '{"a": "", "a": "y"}', '{" a": "x", "a": "y"}',
    '{"": "x"}', '{" ": "x"}', '{"a": " x\\u00a0"}', '{"a": "\\u001c"}', '{"a": "\\"x\\""}',
    '{"\\u0061": "x", "a": "y"}', '{"a": 1}', '{"a": " "}', '{"a":"\\u0020x"}', '{"a":"x\\t"}',
    '{"a":"\N{NO-BREAK SPACE}x"}',
    *(json.dumps({str(number): "x" for number in range(size)}) for size in (MAX_IDS, MAX_IDS + 1)),
    json.dumps({f"{' ' * (number % 2)}{number // 2}": "x" for number in range(MAX_IDS + 2)}),
    *(json.dumps({"x" * size: "1"}) for size in (MAX_ID_NAME, MAX_ID_NAME + 1)),
    *(json.dumps({"x": "1" * size}) for size in (MAX_ID_VALUE, MAX_ID_VALUE + 1)),
    json.dumps({"x": "1" * MAX_ID_VALUE + " "}),
)  # fmt: skip
ARTISTS = (
    *OBJECTS,
    *(f"[{text}]" for text in TEXTS),
    '["a",]',
    '["a", "a"]',
    '["a" "b"]',
    '[["a"]]',
    '[" a ", "b\u00a0"]',
    *(json.dumps(["a"] * size) for size in (MAX_ARTISTS, MAX_ARTISTS + 1)),
)
# Numbers at the edges of 64 bits and of a float, and near the middle of two floats, where rounding is hard.
FREE_NUMBERS = (
    *NUMBERS, "-9223372036854775808", "-9223372036854775809", "9223372036854775807", "18446744073709551615",
    "18446744073709551616", "-0.0", "1E5", "1e16", "1e-7", "1e400", "-1e400", "1e-400", "5e-324",
    "2.4703282292062328e-324", "9007199254740993.0", "1.7976931348623159e308", "0.1e1", "1.", ".1", "1e", "1e+", "-",
    "--1", "0x1", "1_0", "9" * 400, "9" * 400 + ".0", "0." + "1" * 800, "1" * 4_301,
    "123456789012345678901234567890e-10",
)  # fmt: skip


@st.composite
def decimals(draw: st.DrawFn) -> str:
    whole = draw(st.integers(0, 10**25))
    return f"{draw(st.sampled_from(['', '-']))}{whole}.{draw(st.integers(0, 10**20))}e{draw(st.integers(-340, 310))}"


def _containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    names = st.sampled_from(TEXTS[:16])
    pairs = st.tuples(names, inner).map(": ".join)
    return st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]") | st.lists(pairs, max_size=3).map(
        lambda items: f"{{{', '.join(items)}}}"
    )


@st.composite
def nested(draw: st.DrawFn) -> str:
    """A scalar in up to ten arrays and objects: the limit is eight."""
    text = draw(st.sampled_from(("1", '"a"', "[]", "{}")))
    for opens in draw(st.lists(st.booleans(), max_size=10)):
        text = f"[{text}]" if opens else f'{{"a": {text}}}'
    return text


free_json: Final = (
    st.recursive(st.sampled_from((*FREE_NUMBERS, *TEXTS, *BOOLEANS)) | decimals(), _containers, max_leaves=6) | nested()
)


def value_of(name: str, fields: dict[str, Iterable[str]]) -> st.SearchStrategy[str]:
    listed = st.sampled_from(list(fields[name]))
    return listed | free_json if name in FREE else listed


def members(fields: dict[str, Iterable[str]]) -> st.SearchStrategy[str]:
    """A JSON object of some of these fields, in any order, some of them twice."""
    member = st.sampled_from(sorted(fields)).flatmap(
        lambda name: value_of(name, fields).map(lambda value: f'"{name}": {value}')
    )
    return st.lists(member, max_size=3).map(", ".join)


FREE: Final = {"context", "value", "unknown"}
SONG_FIELDS: dict[str, Iterable[str]] = {
    "title": TEXTS, "artist": TEXTS, "album": TEXTS, "duration_ms": NUMBERS, "ids": IDS_OF_SONGS,
    "artists": ARTISTS, "album_artist": TEXTS,
    "unknown": (*TEXTS, *OBJECTS, *UNKNOWN),
}  # fmt: skip
FIELDS: dict[str, Iterable[str]] = {
    "type": TYPES, "v": NUMBERS, "time": TIMES, "sent_at": TIMES, "id": IDS, "user": TEXTS, "source": TEXTS,
    "ms_played": NUMBERS, "context": OBJECTS, "unknown": (*TEXTS, *OBJECTS, *UNKNOWN), "song": OBJECTS,
    "favorite": BOOLEANS, "key": KEYS, "value": (*OBJECTS, *FREE_NUMBERS, '"UTC"', '"PST"'),
}  # fmt: skip


@st.composite
def unusual_events(draw: st.DrawFn) -> bytes:
    """A valid event, a few fields of which are said again, in front of the rest or after it."""
    told_song = f'"title": "Parabola", "artist": "Tool", {draw(members(SONG_FIELDS))}'.rstrip(", ")
    own = draw(st.sampled_from([
        f'"type": "play", "song": {{{told_song}}}',
        f'"type": "favorite", "song": {{{told_song}}}, "favorite": true',
        '"type": "preference", "key": "mood", "value": null',
    ]))  # fmt: skip
    told = f'"time": "2021-04-22T05:40:53Z", "user": "ada", {own}'
    parts = [part for part in (draw(members(FIELDS)), told, draw(members(FIELDS))) if part]
    return f"{{{', '.join(parts)}}}".encode()


def contracts_word(data: bytes) -> Event | None:
    try:
        return by_the_contract(data)
    except InvalidEventError:
        return None


def assert_read_alike(data: bytes) -> None:
    event = read(data)
    # Compared as text: to Python 1, 1.0 and True are equal, and 0.0 and -0.0.
    assert event is None or repr(event) == repr(contracts_word(data)), data


@CHEAP
@given(unusual_events())
def test_an_event_is_read_as_the_contract_reads_it(data: bytes) -> None:
    assert_read_alike(data)


ODD_BYTES: Final = st.binary(max_size=4) | st.sampled_from([
    b"\xef\xbb\xbf", b"\0", b"\\", b"\\u0000", b"\\ud800", b"\xed\xa0\x80", b"\x7f", b"\x1f", b"\n", b'"', b",", b"{",
    b"]", b"1",
])  # fmt: skip


@CHEAP
@given(data=unusual_events(), at=st.floats(0, 1), cut=st.integers(0, 3), paste=ODD_BYTES)
def test_a_damaged_event_is_read_as_the_contract_reads_it(data: bytes, at: float, cut: int, paste: bytes) -> None:
    place = int(at * len(data))
    assert_read_alike(data[:place] + paste + data[place + cut :])


def raw(fields: dict[str, str]) -> str:
    members = ", ".join(f'"{name}": {value}' for name, value in fields.items())
    return f"{{{members}}}"


def told(fields: dict[str, object]) -> dict[str, str]:
    return {name: json.dumps(value) for name, value in fields.items()}


MAKERS: Final = {"play": play, "favorite": favorite, "preference": preference}


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS.keys())
@pytest.mark.parametrize("field", sorted(FIELDS))
def test_each_value_of_a_field_is_read_as_the_contract_reads_it(maker: type[Fields], field: str) -> None:
    for value in FIELDS[field]:
        assert_read_alike(raw(told(maker(id=event_id(1))) | {field: value}).encode())


@pytest.mark.parametrize("field", sorted(SONG_FIELDS))
def test_each_song_field_value_is_read_as_the_contract_reads_it(field: str) -> None:
    for value in SONG_FIELDS[field]:
        assert_read_alike(raw(told(play()) | {"song": raw(told(song()) | {field: value})}).encode())


@pytest.mark.parametrize("field", ["unknown", "context", "value"])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"":', "}")])
def test_every_depth_is_read_as_the_contract_reads_it(field: str, opening: str, closing: str) -> None:
    maker = preference if field == "value" else play
    for depth in (*range(12), *range(190, 210), 1_500):
        assert_read_alike(raw(told(maker()) | {field: opening * depth + "1" + closing * depth}).encode())


@pytest.mark.parametrize("odd", [b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80"])
@pytest.mark.parametrize(
    "fields",
    [play(user="?"), play(client="?"), play(**{"?": 1}), play(client={"a": ["?"]}), play(song=song(genre="?")),
     play(song=song(ids={"?": "x"})), play(context={"a": "?"}), preference(value="?")],
)  # fmt: skip
def test_what_is_not_utf_8_is_nowhere_overlooked(fields: Fields, odd: bytes) -> None:
    assert read(payload(fields)) is not None
    assert read(payload(fields).replace(b"?", odd)) is None


@pytest.mark.parametrize("digits", [4_299, 4_300, 4_301])
def test_a_long_integer_is_read_as_the_contract_reads_it(digits: int) -> None:
    for sign in ("", "-"):
        assert_read_alike(raw(told(play()) | {"unknown": sign + "9" * digits}).encode())


@pytest.mark.parametrize("vector", [*ACCEPTED, *REFUSED], ids=lambda vector: str(vector["name"]))
def test_the_corpus_is_read_as_the_contract_reads_it(vector: dict[str, object]) -> None:
    assert_read_alike(golden_payload(vector))


# --- What is left to the contract ----------------------------------------------------------------

names: Final = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20).filter(str.strip)
spaced: Final = st.tuples(st.sampled_from(["", " ", "\t", "\u2003"]), names).map("".join)
unquoted: Final = spaced.filter(lambda text: '"' not in text)
free_objects: Final = st.dictionaries(st.text(max_size=8), json_values, max_size=4)


@st.composite
def as_sent(draw: st.DrawFn) -> bytes:
    """An event as a client may send it: any fields, in any order, and written by any writer of JSON."""
    kind = draw(st.sampled_from(sorted(MAKERS)))
    fields = MAKERS[kind](time=draw(st.sampled_from([text[1:-1] for text in TIMES[:6]])), user=draw(spaced))
    optional = {
        "id": st.integers(1, 2**48 - 1).map(event_id), "v": st.just(1), "source": st.none() | spaced,
        "sent_at": st.none() | st.just(fields["time"]), "client": json_values,
    }  # fmt: skip
    if kind == "play":
        optional |= {"ms_played": st.none() | st.integers(0, MAX_DURATION_MS), "context": st.none() | free_objects}
    fields |= draw(st.fixed_dictionaries({}, optional=optional))
    if kind == "preference":
        fields["value"] = draw(json_values)
    else:
        of_song = {
            "album": st.none() | st.just("") | spaced, "duration_ms": st.none() | st.integers(1, MAX_DURATION_MS),
            "artists": st.none() | st.lists(spaced, min_size=1, max_size=MAX_ARTISTS),
            "album_artist": st.none() | st.just("") | spaced,
            "ids": st.none() | st.dictionaries(unquoted, unquoted, max_size=MAX_IDS), "genre": json_values,
        }  # fmt: skip
        of_song = {"title": spaced, "artist": spaced, **of_song}
        fields["song"] = song() | draw(st.fixed_dictionaries({}, optional=of_song))
    if "id" in fields and draw(st.booleans()):
        fields["id"] = fields["id"].upper()
    shuffled = {name: fields[name] for name in draw(st.permutations(sorted(fields)))}
    indent, ascii_only = draw(st.sampled_from([None, 2])), draw(st.booleans())
    return json.dumps(shuffled, indent=indent, ensure_ascii=ascii_only).encode()


@CHEAP
@given(as_sent())
def test_a_valid_event_is_not_left_to_the_contract(data: bytes) -> None:
    assume(rb"\u0000" not in data)
    assert repr(read(data)) == repr(contracts_word(data))


LEFT: Final[dict[str, bytes]] = {
    "a repeated field, wrong at first": raw(told(play()) | {'user": 5, "user': '"ada"'}).encode(),
    "a repeated name in song.ids": payload(play(song=song(ids={"a": "x", "b": "y"}))).replace(b'"b"', b'"a"'),
    "a quotation mark in song.ids": payload(play(song=song(ids={"a": '"'}))),
    "too many names in song.ids until they are trimmed": payload(
        play(song=song(ids={f"{' ' * (number % 2)}{number // 2}": "x" for number in range(MAX_IDS + 2)}))
    ),
    "a user of separators alone": payload(play(user="\x1c")),
    "a text that fits only when trimmed": payload(play(user="a" * MAX_USER + " ")),
    "the six characters that escape U+0000": payload(play(song=song(title=r"\u0000"))),
}


@pytest.mark.parametrize("data", LEFT.values(), ids=LEFT.keys())
def test_a_rare_valid_event_is_left_to_the_contract(data: bytes) -> None:
    assert read(data) is None
    assert repr(decode(data, now=NOW)) == repr(contracts_word(data))


@CHEAP
@given(st.dictionaries(st.text(max_size=3), json_values | st.floats(allow_nan=False, allow_infinity=False)))
def test_the_quick_size_of_free_json_is_at_most_a_fifth_too_small(value: Fields) -> None:
    assert len(quick_json(value)) >= len(compact_json(value)) * 4 / 5


@CHEAP
@given(free_json)
def test_free_json_is_written_at_most_five_times_as_long_as_it_came(text: str) -> None:
    value = contracts_word(raw(told(preference()) | {"value": text}).encode())
    if isinstance(value, PreferenceEvent):
        assert len(compact_json(value.value)) <= 5 * len(text.encode())


@pytest.mark.parametrize("number", [1, 1.5, 1e16, -1e16, 1e-7])
@pytest.mark.parametrize("size", range(MAX_BYTES - 3, MAX_BYTES + 4))
def test_the_size_of_a_context_is_limited_as_the_contract_limits_it(size: int, number: float) -> None:
    numbers = [number] * 600
    while (filled := size - len(compact_json({"a": numbers, "b": ""}))) < 0:
        numbers.pop()
    data = payload(play(context={"a": numbers, "b": "x" * filled}))
    assert (read(data) is None) == (size > MAX_BYTES)
    assert_read_alike(data)
