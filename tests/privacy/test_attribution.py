"""Which user a dead letter is about: found in every form of a broken event, and in no other."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import payload, play, preference
from tests.support.strategies import CHEAP
from worker.contract.events import MAX_EVENT_BYTES
from worker.privacy.attribution import is_about, may_be_about

EVENT = play(user="Zoë", time="yesterday")
TEXT = json.dumps(EVENT)
RAW = payload(EVENT)
OF_ADA = {"user": "ada", "time": "yesterday"}


def as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


HERS = {
    "an event": RAW,
    "the name in another Unicode form": as_json(play(user=" Zoe\u0308 ")),
    "an array of events": as_json([play(user="ada"), EVENT]),
    "an event encoded twice": as_json(TEXT),
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-16 without its mark": TEXT.encode("utf-16-le"),
    "a byte order mark": b"\xef\xbb\xbf" + RAW,
    "Latin-1": RAW.decode().encode("latin-1"),
    "a byte that is no UTF-8": RAW.replace(b"Parabola", b"Parab\xff"),
    "an event encoded three times": as_json(json.dumps(TEXT)),
    "an event within an object": as_json({"meta": 1, "body": {"event": EVENT}}),
    "an event under another field": as_json({"data": TEXT}),
    "fields of an entry instead of an event": as_json({"user": "Zoë", "type": "play", "title": "Parabola"}),
    "a field that is JSON": as_json({"user": '"Zoë"', "type": "play"}),
    "events that another user forwards": as_json({"type": "batch", "user": "gateway", "events": [EVENT]}),
    "an object for a user": as_json(play(user={"id": 7, "name": "Zoë"})),
    "an array for a user": as_json(play(user=["Zoë"])),
    "another spelling of the field": as_json({"type": "play", "userName": "Zoë"}),
    "a capital in the field, as Go writes it": as_json({"Type": "play", "User": "Zoë"}),
}
# Payloads that cannot be read for certain.
SEEMINGLY_HERS = {
    "the beginning of an event over the size limit": RAW[:-10],
    "an event encoded twice, cut off": as_json(TEXT)[:-10],
    "an event under another field, cut off": as_json({"data": RAW.decode()})[:-10],
    "an event, cut off by who sent it under another field": as_json({"data": TEXT[:-10]}),
    "a form": urlencode({"type": "play", "title": "Parabola", "user": "Zoë"}).encode(),
    "a form that begins with the user": urlencode({"user_name": "Zoë", "title": "Parabola"}).encode(),
    "YAML": "type: play\nUser: Zoë\ntitle: Parabola\n".encode(),
    "logfmt": 'level=info user=Zoë msg="x"'.encode(),
    "logfmt that ends with the user": "level=info user=Zoë".encode(),
    "two events in one": RAW + b"\n" + RAW,
    "a comma too much": RAW[:-1] + b",}",
    "as Python writes it": repr(EVENT).encode(),
    "lone surrogates": RAW.replace(b"Parabola", b"\\ud800"),
    "too deep": b"[" * 5_000 + RAW,
    "an event with an unknown field for the user": as_json({"type": "play", "listener": "Zoë", "v": 1}),
    "the same, escaped": json.dumps({"type": "play", "name": "Zoë"}).encode(),
    "the same, encoded twice": as_json(json.dumps({"type": "play", "name": "Zoë"})),
    "an event whose user is blank": as_json(play(user=" ", context={"listener": "Zoë"})),
    "a form under another field": as_json({"data": urlencode({"type": "play", "user": "Zoë", "title": "x"})}),
    "a name and no field": as_json(["Zoë", None, 5, True]),
}
OTHERS = {
    "another user's event": as_json(OF_ADA),
    "a song of the user's name": as_json(play(time="yesterday", song={"title": "Zoë", "artist": "Zoë"})),
    "a song of the user's name, in an array": as_json([play(song={"title": "Zoë", "artist": "Zoë"})]),
    "a song of the user's name, under another field": as_json({"data": json.dumps(play(song={"title": "Zoë"}))}),
    "a song titled with a quotation": as_json(OF_ADA | {"song": {"title": '"Zoë" live'}}),
    "another's event that mentions the user": as_json(play(time="yesterday", context={"with": {"user": "Zoë"}})),
    "another's preference that is JSON": as_json(preference(time="yesterday", value='{"user": "Zoë"}')),
    "a longer name": as_json(play(user="Zoë2")),
    "other capitals": as_json(play(user="zoë")),
    "a longer name in what cannot be read": b'{"user": "Zo\xc3\xab2", ',
    "a longer name in a form": urlencode({"user": "Zoë2", "type": "play"}).encode(),
    "a name of two words in a form": urlencode({"user": "Zoë B", "type": "play"}).encode(),
    "a name of two words in a form, with a sign that is escaped": urlencode({"user": "Zoë B=x"}).encode(),
    "a name of two words in a form without escapes": "user=Zoë B&title=x".encode(),
    "a name of two words in logfmt": "user=Zoë B title=x".encode(),
    "a song of the user's name in logfmt": "user=ada title=Zoë msg=x".encode(),
    "a song of the user's name in a form": urlencode({"user": "ada", "title": "Zoë"}).encode(),
    "another field in a form": urlencode({"superuser": "Zoë", "user": "ada"}).encode(),
    "the user's name beside another's": as_json({"type": "play", "by": "Zoë", "meta": {"user_id": 17}}),
    "the user's name beside another's in a text": as_json({"by": "Zoë", "data": json.dumps({"user": "ada"})}),
    "an event without a user that holds one of another": as_json({"by": "Zoë", "user": "", "event": play()}),
    "a longer name and no field": as_json({"type": "play", "listener": "Zoë2"}),
    "nothing": b"",
}


@pytest.mark.parametrize("letter", HERS.values(), ids=HERS.keys())
def test_a_dead_letter_of_the_user_is_about_them(letter: bytes) -> None:
    assert is_about(letter, "Zoë")
    assert may_be_about(letter, "Zoë")


@pytest.mark.parametrize("letter", SEEMINGLY_HERS.values(), ids=SEEMINGLY_HERS.keys())
def test_an_unreadable_dead_letter_may_be_about_the_user(letter: bytes) -> None:
    assert not is_about(letter, "Zoë")
    assert may_be_about(letter, "Zoë")


@pytest.mark.parametrize("letter", OTHERS.values(), ids=OTHERS.keys())
def test_a_dead_letter_of_another_user_is_not_about_them(letter: bytes) -> None:
    assert not may_be_about(letter, "Zoë")
    assert not is_about(letter, "Zoë")


def test_an_empty_name_matches_no_payload() -> None:
    assert not may_be_about(payload(play(user="")), "")
    assert not may_be_about(b'{"user": ""', "")


def test_a_numeric_username_is_found_without_quotes() -> None:
    assert may_be_about(as_json(play(user=17)), "17")
    assert not may_be_about(as_json(play(user=17, song={"title": 18})), "18")


@pytest.mark.parametrize("name", ['a"b', "a\\b", "🎧", "$(x)", "a.c"])
def test_a_name_of_odd_characters_is_found_in_broken_json(name: str) -> None:
    for escaped in (True, False):
        text = json.dumps({"user": name}, ensure_ascii=escaped)
        assert may_be_about(text[:-1].encode(), name)
        assert may_be_about(json.dumps({"data": text}, ensure_ascii=escaped)[:-1].encode(), name)
    assert not may_be_about(b'{"user": "abc", ', name)


def test_json_within_json_is_searched_to_any_depth_that_fits() -> None:
    wrapped, levels = json.dumps(EVENT), 0
    while len(json.dumps(wrapped)) <= MAX_EVENT_BYTES:
        wrapped, levels = json.dumps(wrapped), levels + 1
    assert levels > 5
    assert may_be_about(wrapped.encode(), "Zoë")


@CHEAP
@given(letter=st.binary(max_size=200) | st.text(alphabet='{["\\u0ð\0:,]}').map(lambda text: text.encode()))
def test_any_bytes_can_be_searched_for_a_name(letter: bytes) -> None:
    assert may_be_about(letter, "\x00never\x00") is False
