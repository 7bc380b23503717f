import sys
from datetime import UTC, datetime, timedelta, timezone
from unicodedata import normalize
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import play
from tests.support.strategies import CHEAP
from worker.contract.codec import encode
from worker.contract.identity import (
    EVENT_NAMESPACE,
    WHITE_SPACE,
    album_identity,
    apart_identity,
    artist_identity,
    canonical_title,
    canonical_user,
    derived_event_id,
    loose_title,
    song_identity,
    twin_identity,
    typed_user,
)
from worker.contract.wire import validate

AT = datetime(2021, 4, 22, 5, 40, 53, tzinfo=UTC)
PARABOLA = derived_event_id("play", "ada", "tool\0parabola", AT)


def whole_second(at: datetime) -> datetime:
    return at.replace(microsecond=0)


# Texts between which the canonical form has something to decide.
texts = st.text(st.sampled_from("aAäÄßẞ\u017f ﬁ\u00a0\u2003\t\u0308İ™٣"), max_size=6)


@CHEAP
@given(text=st.text() | texts)
def test_a_title_is_compared_exactly_as_the_contract_says(text: str) -> None:
    assert canonical_title(text) == " ".join(normalize("NFKC", text).casefold().split())


@CHEAP
@given(one=st.tuples(texts, texts), other=st.tuples(texts, texts))
def test_songs_are_one_exactly_when_artist_and_title_match(one: tuple[str, str], other: tuple[str, str]) -> None:
    same = tuple(map(canonical_title, one)) == tuple(map(canonical_title, other))
    assert (song_identity(*one) == song_identity(*other)) == same


@pytest.mark.parametrize(
    ("spelling", "other"),
    [
        pytest.param("Beyonc\u00e9", "Beyonce\u0301", id="I24-NFC-and-NFD"),
        pytest.param("KLF\u2122", "klftm", id="compatibility-characters"),
        pytest.param("STRASSE", "stra\u00dfe", id="casefold-not-lower"),
        pytest.param("a\u00a0\u2003 b", " A b ", id="white-space"),
        pytest.param("ﬁn", "FIN", id="ligature"),
    ],
)
def test_spellings_of_one_title_are_one_song(spelling: str, other: str) -> None:
    assert song_identity("Tool", spelling) == song_identity("tOOL", other)
    assert song_identity(spelling, "x") == song_identity(other, "X")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("Tool", "Parabola"), ("Parabola", "Tool")),
        (("a b", "c"), ("a", "b c")),
        (("a", "bc"), ("ab", "c")),
        (("Tool", "Parabola"), ("Tool", "Parabol")),
        (("Tool", "naive"), ("Tool", "naïve")),
    ],
)
def test_different_songs_stay_apart(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert song_identity(*one) != song_identity(*other)


def test_a_songs_identity_is_the_same_in_every_release() -> None:
    assert song_identity("Tool", "Parabola") == "3d3392b094a58953b29a952b5c38ef86"


def test_a_derived_id_is_the_same_in_every_release() -> None:
    assert PARABOLA == "e571e923-a1f5-5b74-b8b6-6902f3989089"


@CHEAP
@given(at=st.datetimes(timezones=st.just(UTC)) | st.datetimes(timezones=st.just(UTC)).map(whole_second))
def test_a_derived_id_is_a_uuid5_of_the_instant_with_six_decimals(at: datetime) -> None:
    named = f"play\0ada\0tool\0parabola\0{at.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
    assert derived_event_id("play", "ada", "tool\0parabola", at) == str(uuid5(UUID(str(EVENT_NAMESPACE)), named))


def test_a_derived_id_does_not_depend_on_the_utc_offset() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert derived_event_id("play", "ada", "tool\0parabola", elsewhere) == PARABOLA


@pytest.mark.parametrize(
    ("kind", "user", "subject", "at"),
    [
        pytest.param("favorite", "ada", "tool\0parabola", AT, id="type"),
        pytest.param("play", "bob", "tool\0parabola", AT, id="user"),
        pytest.param("play", "ada", "tool\0parabol", AT, id="song"),
        pytest.param("play", "ada", "tool\0parabola", AT + timedelta(microseconds=1), id="time"),
        pytest.param("playada", "", "tool\0parabola", AT, id="boundary"),
    ],
)
def test_a_derived_id_depends_on_each_of_its_parts(kind: str, user: str, subject: str, at: datetime) -> None:
    assert derived_event_id(kind, user, subject, at) != PARABOLA


def test_two_spellings_of_a_username_decode_to_one_user() -> None:
    assert canonical_user("Zoe\u0308") == canonical_user("Zo\u00eb") == "Zo\u00eb"


def test_outer_white_space_is_what_the_contract_trims() -> None:
    every = [chr(number) for number in range(sys.maxunicode + 1) if not 0xD800 <= number < 0xE000]
    assert {text for text in every if not text.strip(WHITE_SPACE)} == {
        text for text in every if text.isspace() and not "\x1c" <= text <= "\x1f"
    }


def test_usernames_differ_by_case_and_compatibility_characters() -> None:
    assert len({canonical_user(name) for name in ("ada", "Ada", "\uff41da")}) == 3


@CHEAP
@given(
    around=st.text(st.sampled_from(" \t\n\u00a0\u3000\x1c\x1f"), max_size=3), name=st.sampled_from(["ada", "Zoe\u0308"])
)
def test_a_typed_username_is_read_as_the_contract_records_it(around: str, name: str) -> None:
    typed = f"{around}{name}{around[::-1]}"

    assert typed_user(typed) == validate(encode(play(user=typed)).decode()).user


@pytest.mark.parametrize(
    ("spelling", "plain"),
    [
        pytest.param("Don\u2019t \u2018Cry\u02bc", "don't 'cry'", id="apostrophes"),
        pytest.param("7\u2032 Don\xb4t Don`t", "7' don't don't", id="primes-and-accents"),
        pytest.param("\u201cHeroes\u201d \u201eHelden\u201f \xabLe\xbb", '"heroes" "helden" "le"', id="quotes"),
        pytest.param("blink\u2010182 a\u2011b c\u2013d\u2014e \u22121\uff0d", "blink-182 a-b c-d-e -1-", id="hyphens"),
        pytest.param("DJ Shad\u200bow\u200e\ufeff\xad \u202aS\u202c\ufe0f\U000e0100", "dj shadow s", id="invisible"),
        pytest.param("e\u200b\u0301 \u200b  b", "\xe9 b", id="what-the-invisible-kept-apart"),
        pytest.param("\uff34\uff4f\uff4f\uff4c\u2026", "tool...", id="full-width"),
        pytest.param("\u200b\u2060", "\u200b\u2060", id="nothing-but-invisible"),
    ],
)
def test_typography_makes_no_difference_to_the_loose_form(spelling: str, plain: str) -> None:
    assert loose_title(spelling) == plain
    assert twin_identity(spelling, "x") == twin_identity(plain, "X")
    assert artist_identity(spelling) == artist_identity(plain)
    assert album_identity("x", spelling) == album_identity("X", plain)


TYPOGRAPHY = st.text(
    st.sampled_from("aA'\"-`\xb4\u2019\u201c\u2010\u2212\u200b\u3164\ufe58\ufe0f\u0149 \t\xa0\u0301"), max_size=6
)


@CHEAP
@given(TYPOGRAPHY)
def test_the_loose_form_is_a_rougher_one_of_the_canonical_form(text: str) -> None:
    assert loose_title(loose_title(text)) == loose_title(text)
    assert loose_title(text) == " ".join(loose_title(text).split())


@CHEAP
@given(text=st.text(st.characters(max_codepoint=0x7E, exclude_characters="`"), min_size=1))
def test_plain_names_have_the_same_identities_as_without_the_loose_form(text: str) -> None:
    assert loose_title(text) == canonical_title(text)
    assert twin_identity("Tool", text) == song_identity("Tool", text)


def test_identities_of_artists_and_albums_are_the_same_in_every_release() -> None:
    assert artist_identity("Tool") == "9af0f53d4977e1ba5d9857818035eb66"
    assert album_identity("Bj\xf6rk", "Post") == "4e0b671b7b25c6c3f7d1cdb671a05f2a"


def test_a_song_apart_is_the_twin_of_no_other() -> None:
    identity = song_identity("Tool", "Parabola")
    assert apart_identity(identity) not in {identity, apart_identity(twin_identity("Tool", "Schism"))}
