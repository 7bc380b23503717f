import json
import traceback
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import CANARY, NOW, Fields, event, favorite, payload, play, preference
from tests.support.strategies import CHEAP, events, json_values
from worker.contract.codec import decode, encode
from worker.contract.events import MAX_EVENT_BYTES, PlayEvent, PreferenceEvent
from worker.contract.json_limits import compact_json
from worker.errors import InvalidEventError, Reason


def raw(fields: Fields, **as_written: str) -> bytes:
    """The event with more fields, whose values are JSON texts that Python would not write."""
    more = "".join(f', "{name}": {text}' for name, text in as_written.items())
    return f"{json.dumps(fields)[:-1]}{more}}}".encode()


def refusal(of: bytes) -> InvalidEventError:
    with pytest.raises(InvalidEventError) as caught:
        decode(of, now=NOW)
    return caught.value


UNREADABLE = {
    "I1-empty": (b"", Reason.INVALID_JSON),
    "I4-no-json": (b"abc", Reason.INVALID_JSON),
    "I4-cut-off": (b"{", Reason.INVALID_JSON),
    "I4-trailing": (b"{} {}", Reason.INVALID_JSON),
    "I4-python-not-json": (b"{'v': 1}", Reason.INVALID_JSON),
    "I5-number": (b"1", Reason.WRONG_TYPE),
    "I5-text": (b'"play"', Reason.WRONG_TYPE),
    "I5-array": (b"[]", Reason.WRONG_TYPE),
    "I5-null": (b"null", Reason.WRONG_TYPE),
    "I5-true": (b"true", Reason.WRONG_TYPE),
    "I6-not-utf-8": (payload(play(user="ada?")).replace(b"ada?", b"ada\xff"), Reason.BAD_ENCODING),
    "I6-cut-character": (payload(play(user="Zoë")).replace("ë".encode(), b"\xc3"), Reason.BAD_ENCODING),
    "I6-encoded-surrogate": (payload(play(user="ada?")).replace(b"?", b"\xed\xa0\x80"), Reason.BAD_ENCODING),
    "I8-byte-order-mark": (b"\xef\xbb\xbf" + payload(play()), Reason.BAD_ENCODING),
    "I8-utf-16": (payload(play()).decode().encode("utf-16"), Reason.BAD_ENCODING),
    "I8-utf-16-without-mark": (payload(play()).decode().encode("utf-16-le"), Reason.INVALID_JSON),
    "I9-raw-newline": (payload(play(user="ada?")).replace(b"?", b"\n"), Reason.INVALID_JSON),
    "I9-raw-nul": (payload(play(user="ada?")).replace(b"?", b"\0"), Reason.INVALID_JSON),
    "I10-title": (payload(play(song={"title": "a\0", "artist": "b"})), Reason.INVALID_VALUE),
    "I10-key": (payload(play(context={"a\0": 1})), Reason.INVALID_VALUE),
    "I10-nested": (payload(preference(value=[{"a": ["b\0"]}])), Reason.INVALID_VALUE),
    "I10-ids": (payload(play(song={"title": "a", "artist": "b", "ids": {"a": "\0b"}})), Reason.INVALID_VALUE),
    "I10-unknown-field": (payload(play(mood="\0")), Reason.INVALID_VALUE),
    "I11-lone-surrogate": (raw(play(user=...), user=r'"\ud800"'), Reason.INVALID_JSON),
    "I11-half-a-pair": (raw(play(user=...), user=r'"\ud83d\u0041"'), Reason.INVALID_JSON),
    "I12-nan": (raw(play(), ms_played="NaN"), Reason.INVALID_JSON),
    "I12-nan-in-context": (raw(play(), context='{"a": [NaN]}'), Reason.INVALID_JSON),
    "I12-infinity-in-value": (raw(preference(value=...), value="-Infinity"), Reason.INVALID_JSON),
    "I12-nan-in-an-unknown-field": (raw(play(), mood="NaN"), Reason.INVALID_JSON),
    "I12-1e400": (raw(play(), ms_played="1e400"), Reason.WRONG_TYPE),
    "I12-1e400-in-context": (raw(play(), context='{"a": 1e400}'), Reason.OUT_OF_RANGE),
    "I12-minus-1e400-in-value": (raw(preference(value=...), value="[-1e400]"), Reason.OUT_OF_RANGE),
    "I13-2**31": (payload(play(ms_played=2**31)), Reason.OUT_OF_RANGE),
    "I13-2**63": (payload(play(ms_played=2**63)), Reason.OUT_OF_RANGE),
    "I13-10**30": (payload(play(ms_played=10**30)), Reason.OUT_OF_RANGE),
    "I13-2**63-in-context": (payload(play(context={"a": 2**63})), Reason.OUT_OF_RANGE),
    "I13-below--2**63-in-value": (payload(preference(value=-(2**63) - 1)), Reason.OUT_OF_RANGE),
    "I14-5000-digits": (raw(play(), ms_played="9" * 5000), Reason.INVALID_JSON),
    "I14-5000-digits-in-context": (raw(play(), context=f'{{"a": {"9" * 5000}}}'), Reason.INVALID_JSON),
    "I14-4000-digits": (raw(play(), ms_played="9" * 4000), Reason.OUT_OF_RANGE),
    "I14-4000-digits-in-value": (raw(preference(value=...), value="9" * 4000), Reason.OUT_OF_RANGE),
    "I15-depth-8000": (b"[" * 8_000 + b"]" * 8_000, Reason.INVALID_JSON),
    "I15-depth-8000-cut-off": (b'{"a":' * 3_000, Reason.INVALID_JSON),
    "I15-depth-5000-in-value": (raw(preference(value=...), value="[" * 5000 + "]" * 5000), Reason.INVALID_JSON),
    "I15-depth-190-in-value": (raw(preference(value=...), value="[" * 190 + "]" * 190), Reason.OVER_LIMIT),
    "I15-depth-190-in-context": (raw(play(), context='{"a":' * 190 + "1" + "}" * 190), Reason.OVER_LIMIT),
    "I16-1-MB": (b"x" * 1_000_000, Reason.TOO_LARGE),
    "I16-one-byte-too-large": (payload(play()).ljust(MAX_EVENT_BYTES + 1), Reason.TOO_LARGE),
}

MISTAKEN = {
    "I18-unknown-type": (play(type="seek"), Reason.UNKNOWN_TYPE),
    "I18-type-in-capitals": (play(type="Play"), Reason.UNKNOWN_TYPE),
    "I18-no-type": (play(type=...), Reason.MISSING_FIELD),
    "I18-type-is-no-text": (play(type=1), Reason.WRONG_TYPE),
    "I18-type-is-null": (play(type=None), Reason.WRONG_TYPE),
    "I19-newer": (play(v=2), Reason.UNSUPPORTED_VERSION),
    "I19-newer-with-another-type": (play(v=2, type="seek"), Reason.UNSUPPORTED_VERSION),
    "I19-newer-with-other-fields": ({"v": 3, "plays": []}, Reason.UNSUPPORTED_VERSION),
    "I19-v-is-0": (play(v=0), Reason.OUT_OF_RANGE),
    "I21-no-user": (play(user=...), Reason.MISSING_FIELD),
    "I21-empty": (play(user=""), Reason.INVALID_VALUE),
    "I21-spaces": (play(user=" \t\u00a0 "), Reason.INVALID_VALUE),
    "I21-null": (play(user=None), Reason.WRONG_TYPE),
    "I23-10k-characters": (play(user="x" * 10_000), Reason.OVER_LIMIT),
    "I28-true": (play(ms_played=True), Reason.WRONG_TYPE),
    "I28-text": (play(ms_played="12"), Reason.WRONG_TYPE),
    "I28-text-with-blanks": (play(ms_played=" 12 "), Reason.WRONG_TYPE),
    "I28-1_0": (play(ms_played="1_0"), Reason.WRONG_TYPE),
    "I28-1.0": (play(ms_played=1.0), Reason.WRONG_TYPE),
    "I28-v-is-true": (play(v=True), Reason.WRONG_TYPE),
    "I28-v-is-1.0": (play(v=1.0), Reason.WRONG_TYPE),
    "I28-favorite-is-1": (favorite(favorite=1), Reason.WRONG_TYPE),
    "I28-favorite-is-text": (favorite(favorite="true"), Reason.WRONG_TYPE),
    "I28-user-is-a-number": (play(user=12), Reason.WRONG_TYPE),
    "I29-naive": (play(time="2021-04-22T05:40:53"), Reason.INVALID_VALUE),
    "I29-date-only": (play(time="2021-04-22"), Reason.INVALID_VALUE),
    "I30-epoch": (play(time=1619070053), Reason.WRONG_TYPE),
    "I30-epoch-ms-as-text": (play(time="1619070053000"), Reason.INVALID_VALUE),
    "I31-year-0": (play(time="0000-01-01T00:00:00Z"), Reason.INVALID_VALUE),
    "I31-year-10000": (play(time="10000-01-01T00:00:00Z"), Reason.INVALID_VALUE),
    "I31-Feb-30": (play(time="2021-02-30T00:00:00Z"), Reason.INVALID_VALUE),
    "I31-+24:00": (play(time="2021-04-22T05:40:53+24:00"), Reason.INVALID_VALUE),
    "I31-leap-second": (play(time="2016-12-31T23:59:60Z"), Reason.INVALID_VALUE),
    "I32-before-year-1": (play(time="0001-01-01T00:00:00+14:00"), Reason.OUT_OF_RANGE),
    "I32-after-year-9999": (play(time="9999-12-31T23:59:59-12:00"), Reason.OUT_OF_RANGE),
    "I33-in-10-years": (play(time="2036-11-23T00:00:00Z"), Reason.OUT_OF_RANGE),
    "I33-before-the-epoch": (play(time="1969-12-31T23:59:59Z"), Reason.OUT_OF_RANGE),
    "I34-ms_played-negative": (play(ms_played=-1), Reason.OUT_OF_RANGE),
    "I34-ms_played-10-years": (play(ms_played=315_360_000_000), Reason.OUT_OF_RANGE),
    "I34-duration-negative": (play(song={"title": "a", "artist": "b", "duration_ms": -1}), Reason.OUT_OF_RANGE),
    "I42-value-missing": (preference(value=...), Reason.MISSING_FIELD),
    "I42-10k-keys": (preference(value={str(number): 1 for number in range(10_000)}), Reason.TOO_LARGE),
    "I42-nested": (preference(value=[[[[[[[[[1]]]]]]]]]), Reason.OVER_LIMIT),
    "I44-no-uuid": (play(id="abc"), Reason.INVALID_VALUE),
    "I44-nil": (play(id="00000000-0000-0000-0000-000000000000"), Reason.INVALID_VALUE),
    "I44-braces": (play(id="{01938a4e-0000-7000-8000-000000000001}"), Reason.INVALID_VALUE),
    "I44-no-hyphens": (play(id="01938a4e000070008000000000000001"), Reason.INVALID_VALUE),
    "I44-urn": (play(id="urn:uuid:01938a4e-0000-7000-8000-000000000001"), Reason.INVALID_VALUE),
    "I44-newline": (play(id="01938a4e-0000-7000-8000-000000000001\n"), Reason.INVALID_VALUE),
    "I44-null": (play(id=None), Reason.WRONG_TYPE),
}

BAD = UNREADABLE | {row: (payload(fields), reason) for row, (fields, reason) in MISTAKEN.items()}


@pytest.mark.parametrize(("bad", "reason"), BAD.values(), ids=BAD.keys())
def test_a_bad_input_is_refused_with_its_reason(bad: bytes, reason: Reason) -> None:
    assert refusal(bad).reason is reason


def test_an_event_of_exactly_the_largest_size_is_accepted() -> None:
    assert decode(payload(play()).ljust(MAX_EVENT_BYTES), now=NOW) == event(play())


@pytest.mark.parametrize(
    "twice",
    [
        pytest.param('"user": "bob", "user": "ada"', id="I17-field"),
        pytest.param('"user": 5, "user": "ada"', id="I17-the-wrong-one-first"),
        pytest.param('"v": 2, "v": 1, "user": "ada"', id="I17-version"),
        pytest.param('"type": "favorite", "type": "play", "user": "ada"', id="I17-type"),
    ],
)
def test_of_a_repeated_key_the_last_one_wins(twice: str) -> None:
    text = json.dumps(play(user=...))[:-1]
    assert decode(f"{text}, {twice}}}".encode(), now=NOW) == event(play())


def test_of_a_repeated_key_in_free_json_the_last_one_wins() -> None:
    decoded = decode(raw(preference(value=...), value='{"i": 1, "i": 2}'), now=NOW)
    assert isinstance(decoded, PreferenceEvent)
    assert decoded.value == {"i": 2}


@pytest.mark.parametrize(
    "unknown",
    [
        pytest.param({"client": {"version": 2}, "ms_payed": "12"}, id="I20-extra"),
        pytest.param({"__class__": "x", "__proto__": {"admin": True}, "constructor": None}, id="I43"),
        pytest.param({"model_config": {"extra": "allow"}, "model_fields": []}, id="I43-pydantic"),
    ],
)
def test_unknown_fields_are_ignored(unknown: dict[str, Any]) -> None:
    assert event(unknown | play()) == event(play())
    assert event(play(song=unknown | play()["song"])) == event(play())


@pytest.mark.parametrize(
    "title",
    [
        pytest.param("🎵" * 500, id="I23-emoji"),
        pytest.param("\u202e\u05e9\u05dc\u05d5\u05dd\u200b\u200d", id="I23-right-to-left-and-zero-width"),
        pytest.param("\u0420\u0430r\u0430b\u043el\u0430", id="I23-homoglyphs"),
        pytest.param("Beyonce\u0301", id="I24-NFD-is-kept"),
        pytest.param("'; DROP TABLE songs; -- %s :name $1 {} {0!r}", id="I25"),
        pytest.param("a\r\nb \x1b[31m\u2028c", id="I26"),
        pytest.param("<script>alert(1)</script> =cmd|' /C calc'!A0", id="I27"),
        pytest.param("NaN Infinity \\u0000", id="I12-words-are-no-numbers"),
        pytest.param("file:///etc/passwd javascript:alert(1)", id="I45"),
    ],
)
def test_text_is_kept_as_it_is_given(title: str) -> None:
    decoded = event(play(song={"title": title, "artist": title, "album": title}))
    assert isinstance(decoded, PlayEvent)
    assert {decoded.song.title, decoded.song.artist, decoded.song.album} == {title}


@pytest.mark.parametrize("context", [{"a": 2**63 - 1}, {"a": -(2**63)}, {"a": 1e300}, {"a": [None, True, "ü", {}]}, {}])
def test_free_json_within_its_limits_is_kept_as_it_is_given(context: dict[str, Any]) -> None:
    decoded = event(play(context=context))
    assert isinstance(decoded, PlayEvent)
    assert decoded.context == context


@CHEAP
@given(junk=st.binary() | st.text().map(str.encode) | json_values.map(compact_json))
def test_any_bytes_are_an_event_or_an_invalid_event(junk: bytes) -> None:
    refusal(junk)


@CHEAP
@given(valid=events.map(payload), at=st.floats(0, 1), cut=st.integers(0, 6), paste=st.binary(max_size=6))
def test_a_damaged_event_is_an_event_or_an_invalid_event(valid: bytes, at: float, cut: int, paste: bytes) -> None:
    place = int(at * len(valid))
    damaged = valid[:place] + paste + valid[place + cut :]
    try:
        decode(damaged, now=NOW)
    except InvalidEventError as error:
        assert error.reason in Reason  # noqa: PT017 -- both ways are right; any other exception is not


@CHEAP
@given(valid=events, data=st.data())
def test_any_field_value_gives_an_event_or_an_invalid_event(valid: Fields, data: st.DataObject) -> None:
    spot = valid if "song" not in valid or data.draw(st.booleans()) else valid["song"]
    spot[data.draw(st.sampled_from(sorted(spot)))] = data.draw(json_values)
    try:
        decode(payload(valid), now=NOW)
    except InvalidEventError as error:
        assert error.reason in Reason  # noqa: PT017 -- both ways are right; any other exception is not


@CHEAP
@given(fields=events)
def test_a_valid_event_is_accepted(fields: Fields) -> None:
    assert event(fields).user == fields["user"]


SPEAKING = {
    "title": play(song={"title": [CANARY], "artist": "b"}),
    "long": play(song={"title": CANARY * 100, "artist": "b"}),
    "user": play(user=CANARY * 10),
    "time": play(time=CANARY),
    "a-time-that-is-none": play(time="2021-02-30T00:00:00Z", user=CANARY),
    "out-of-range": play(time="2036-01-01T00:00:00Z", user=CANARY),
    "type": play(type=CANARY),
    "type-in-a-list": play(type=[CANARY]),
    "id": play(id=CANARY),
    "version": play(v=CANARY),
    "number": play(ms_played=CANARY),
    "key": preference(key=CANARY.upper()),
    "source": play(source=CANARY * 10),
    "album": play(song={"title": "a", "artist": "b", "album": CANARY * 50}),
    "ids": play(song={"title": "a", "artist": "b", "ids": {"isrc": [CANARY]}}),
    "context": play(context={CANARY: CANARY * 500}),
    "context-is-text": play(context=CANARY),
    "depth": preference(value=[[[[[[[[[CANARY]]]]]]]]]),
    "number-in-free-json": preference(value={CANARY: 2**70}),
    "nul": play(user=f"{CANARY}\0"),
}


@pytest.mark.parametrize(
    "bad",
    [
        *(pytest.param(payload(fields), id=name) for name, fields in SPEAKING.items()),
        pytest.param(payload(play(user=CANARY))[:-2], id="cut-off"),
        pytest.param(payload(play(user=CANARY)) + CANARY.encode(), id="trailing"),
        pytest.param(payload(play(user=CANARY)) + b"\xff", id="not-utf-8"),
        pytest.param(raw(play(user=CANARY), ms_played=CANARY), id="not-json"),
        pytest.param(raw(play(user=CANARY), ms_played="NaN"), id="nan"),
        pytest.param(payload(play(user=CANARY, context={"a": CANARY * 2_000})), id="too-large"),
        pytest.param(json.dumps([CANARY]).encode(), id="array"),
        pytest.param(json.dumps(CANARY).encode(), id="text"),
    ],
)
def test_an_error_never_quotes_the_event(bad: bytes) -> None:
    error = refusal(bad)
    told = [str(error), repr(error), error.detail, *traceback.format_exception(error)]
    assert not [line for line in told if CANARY in line.lower()]


def test_an_error_names_the_field_and_the_rule() -> None:
    assert refusal(payload(play(song={"title": "a", "artist": "b", "duration_ms": 0}))).detail == (
        "song.duration_ms: Input should be greater than or equal to 1 (got a number)"
    )


@CHEAP
@given(fields=events)
def test_decode_reads_what_encode_writes(fields: Fields) -> None:
    assert decode(encode(fields), now=NOW) == event(fields)


def test_encode_writes_compact_utf_8() -> None:
    assert encode({"b": "ü", "a": [1, None]}) == '{"b":"ü","a":[1,null]}'.encode()


def test_encode_writes_any_mapping_as_an_object() -> None:
    assert encode({"a": MappingProxyType({"b": 1})}) == b'{"a":{"b":1}}'


def test_encode_accepts_a_song_titled_nan() -> None:
    assert encode({"title": "NaN"}) == b'{"title":"NaN"}'


def test_encode_names_the_path_and_type_of_a_non_json_value() -> None:
    with pytest.raises(InvalidEventError) as caught:
        encode({"user": "ada", "context": {"a": [1, {2}, {"b": object()}]}})
    assert caught.value.detail == "context.a.2.b: cannot be written as JSON (got object)"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("\ud800", id="I11-lone-surrogate"),
        pytest.param(float("nan"), id="I12-nan"),
        pytest.param(float("-inf"), id="I12-infinity"),
        pytest.param(object(), id="no-json"),
    ],
)
def test_encode_refuses_values_that_json_cannot_hold(value: object) -> None:
    with pytest.raises(InvalidEventError) as caught:
        encode({"value": value})
    assert caught.value.reason is Reason.INVALID_JSON


def test_encode_refuses_a_value_that_contains_itself() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(InvalidEventError):
        encode({"value": loop})
