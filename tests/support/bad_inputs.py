"""One corpus for every row of bad inputs I1 to I45: what comes, and what becomes of it on either database."""

from typing import Any, Final, NamedTuple
from uuid import UUID

from tests.support.events import Fields, favorite, payload, play_payload, preference, song
from worker.errors import Reason

STORED: Final = "stored"
DUPLICATE: Final = "duplicate"


class Case(NamedTuple):
    row: str
    payload: bytes
    outcome: str


def _own(number: int) -> Fields:
    """The id and the time of an event that differs from all others."""
    second = f"{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}"
    return {"id": str(UUID(int=number + 1, version=4)), "time": f"2021-04-22T{second}Z"}


def _play(number: int, **changes: Any) -> bytes:
    return play_payload(f"song {number}", **(_own(number) | changes))


def _raw(number: int, name: str, written: str, **changes: Any) -> bytes:
    """With one more field, whose JSON text Python would not write."""
    return _play(number, **changes)[:-1] + f', "{name}": {written}}}'.encode()


def _preference(number: int, value: Any, key: str = "mood") -> bytes:
    return payload(preference(**_own(number), key=key, value=value))


def _unreadable() -> list[Case]:
    return [
        Case("I1 empty", b"", Reason.INVALID_JSON),
        Case("I4 no JSON", b"abc", Reason.INVALID_JSON),
        Case("I4 cut off", b"{", Reason.INVALID_JSON),
        Case("I4 two of them", b"{} {}", Reason.INVALID_JSON),
        Case("I5 array", b"[]", Reason.WRONG_TYPE),
        Case("I5 null", b"null", Reason.WRONG_TYPE),
        Case("I5 number", b"12", Reason.WRONG_TYPE),
        Case("I6 no UTF-8", _play(6).replace(b"ada", b"ad\xff"), Reason.BAD_ENCODING),
        Case("I8 byte order mark", b"\xef\xbb\xbf" + _play(8), Reason.BAD_ENCODING),
        Case("I8 UTF-16", _play(8).decode().encode("utf-16"), Reason.BAD_ENCODING),
        Case("I9 raw newline", _play(9).replace(b"ada", b"a\nda"), Reason.INVALID_JSON),
        Case("I10 NUL in a title", _play(10, song=song(title="a\0")), Reason.INVALID_VALUE),
        Case("I10 NUL in a key", _play(10, context={"a\0": 1}), Reason.INVALID_VALUE),
        Case("I10 NUL deep down", _preference(10, [{"a": ["\0"]}]), Reason.INVALID_VALUE),
        Case("I11 lone surrogate", _raw(11, "user", r'"\ud800"', user=...), Reason.INVALID_JSON),
        Case("I12 NaN", _raw(12, "ms_played", "NaN"), Reason.INVALID_JSON),
        Case("I12 Infinity in free JSON", _raw(12, "context", '{"a": Infinity}'), Reason.INVALID_JSON),
        Case("I12 1e400 in free JSON", _raw(12, "context", '{"a": 1e400}'), Reason.OUT_OF_RANGE),
        Case("I13 2^31", _play(13, ms_played=2**31), Reason.OUT_OF_RANGE),
        Case("I13 2^63 in free JSON", _play(13, context={"a": 2**63}), Reason.OUT_OF_RANGE),
        Case("I13 10^30", _play(13, ms_played=10**30), Reason.OUT_OF_RANGE),
        Case("I14 5000 digits", _raw(14, "ms_played", "9" * 5_000), Reason.INVALID_JSON),
        Case("I14 4000 digits in free JSON", _raw(14, "context", f'{{"a": {"9" * 4_000}}}'), Reason.OUT_OF_RANGE),
        Case("I15 depth 8000", b"[" * 8_000 + b"]" * 8_000, Reason.INVALID_JSON),
        Case("I15 depth 190 in free JSON", _raw(15, "context", '{"a":' * 190 + "1" + "}" * 190), Reason.OVER_LIMIT),
        Case("I16 1 MB", _play(16, song=song(title="x" * 1_000_000)), Reason.TOO_LARGE),
    ]


def _mistaken() -> list[Case]:
    return [
        Case("I18 unknown type", _play(18, type="seek"), Reason.UNKNOWN_TYPE),
        Case("I19 newer version", _play(19, v=2), Reason.UNSUPPORTED_VERSION),
        Case("I21 no user", _play(21, user=...), Reason.MISSING_FIELD),
        Case("I21 empty user", _play(21, user=""), Reason.INVALID_VALUE),
        Case("I21 spaces", _play(21, user=" \t "), Reason.INVALID_VALUE),
        Case("I23 10k characters", _play(23, user="x" * 10_000), Reason.OVER_LIMIT),
        Case("I23 501 characters", _play(23, song=song(title="🎵" * 501)), Reason.OVER_LIMIT),
        Case("I28 true", _play(28, ms_played=True), Reason.WRONG_TYPE),
        Case("I28 text", _play(28, ms_played="12"), Reason.WRONG_TYPE),
        Case("I28 1_0", _play(28, ms_played="1_0"), Reason.WRONG_TYPE),
        Case("I28 1.0", _play(28, ms_played=1.0), Reason.WRONG_TYPE),
        Case("I29 naive", _play(29, time="2021-04-22T05:40:53"), Reason.INVALID_VALUE),
        Case("I30 epoch", _play(30, time=1619070053), Reason.WRONG_TYPE),
        Case("I29 naive sent_at", _play(29, sent_at="2021-04-22T05:40:53"), Reason.INVALID_VALUE),
        Case("I30 sent_at is an epoch", _play(30, sent_at=1619070053), Reason.WRONG_TYPE),
        Case("I31 sent_at on February 30", _play(31, sent_at="2021-02-30T00:00:00Z"), Reason.INVALID_VALUE),
        Case("I32 sent_at before year 1", _play(32, sent_at="0001-01-01T00:00:00+14:00"), Reason.OUT_OF_RANGE),
        Case(
            "I32 corrected beyond year 9999",
            _play(32, time="9999-12-31T23:59:59Z", sent_at="0001-01-01T00:00:00Z"),
            Reason.OUT_OF_RANGE,
        ),
        Case("I33 a right time with an absurd sent_at", _play(33, sent_at="2099-01-01T00:00:00Z"), Reason.OUT_OF_RANGE),
        Case(
            "I33 long before 2002",
            _play(33, time="1899-01-01T00:00:00Z", sent_at="2026-11-23T12:00:00Z"),
            Reason.OUT_OF_RANGE,
        ),
        Case("I31 year 0", _play(31, time="0000-01-01T00:00:00Z"), Reason.INVALID_VALUE),
        Case("I31 year 10000", _play(31, time="10000-01-01T00:00:00Z"), Reason.INVALID_VALUE),
        Case("I31 February 30", _play(31, time="2021-02-30T00:00:00Z"), Reason.INVALID_VALUE),
        Case("I31 +24:00", _play(31, time="2021-04-22T05:40:53+24:00"), Reason.INVALID_VALUE),
        Case("I31 leap second", _play(31, time="2016-12-31T23:59:60Z"), Reason.INVALID_VALUE),
        Case("I32 before year 1", _play(32, time="0001-01-01T00:00:00+14:00"), Reason.OUT_OF_RANGE),
        Case("I32 after year 9999", _play(32, time="9999-12-31T23:59:59-12:00"), Reason.OUT_OF_RANGE),
        Case("I33 far future", _play(33, time="2099-01-01T00:00:00Z"), Reason.OUT_OF_RANGE),
        Case("I33 before the epoch", _play(33, time="1969-12-31T23:59:59Z"), Reason.OUT_OF_RANGE),
        Case("I34 negative", _play(34, ms_played=-1), Reason.OUT_OF_RANGE),
        Case("I34 10 years", _play(34, ms_played=315_360_000_000), Reason.OUT_OF_RANGE),
        Case("I42 10k keys", _preference(42, {str(key): 1 for key in range(10_000)}), Reason.TOO_LARGE),
        Case("I42 nested", _preference(42, [[[[[[[[[1]]]]]]]]]), Reason.OVER_LIMIT),
        Case("I42 context is a list", _play(42, context=[1]), Reason.WRONG_TYPE),
        Case("I44 no UUID", _play(44, id="abc"), Reason.INVALID_VALUE),
        Case("I44 nil", _play(44, id=str(UUID(int=0))), Reason.INVALID_VALUE),
        Case("I44 braces", _play(44, id="{01938a4e-0000-7000-8000-000000000001}"), Reason.INVALID_VALUE),
    ]


def _harmless() -> list[Case]:
    odd = (
        "'; DROP TABLE play_history; --", "%s %(a)s :name $1 {} {0}", "a\r\nb\x1b[31m\u2028c", "=cmd|' /C calc'!A0",
        "<script>alert(1)</script>", "javascript:alert(1)", "file:///etc/passwd", "https://169.254.169.254/latest",
        "\u202eabc\u200b", "\u0440\u0430rabola", "🎵" * 500,
    )  # fmt: skip
    return [
        *(Case(f"I23, I25-I27, I45 {number}", _play(2500 + number, song=song(title=title)), STORED)
          for number, title in enumerate(odd)),
        Case("I17 a repeated key", _raw(17, "ms_played", "2", ms_played=1), STORED),
        Case("I20 unknown fields", _play(20, mood="calm", more={"a": [1]}), STORED),
        Case("I24 composed", _play(24, song=song(title="Caf\u00e9"), id=...), STORED),
        Case("I24 decomposed", _play(24, song=song(title="Cafe\u0301"), id=...), DUPLICATE),
        Case("I33 a device that began in 1970",
             _play(331, time="1970-01-01T00:03:20Z", sent_at="1970-01-01T00:06:50Z"), STORED),
        Case("I33 the same again, later by its clock",
             _play(331, time="1970-01-01T00:03:20Z", sent_at="1970-01-01T00:09:10Z"), DUPLICATE),
        Case("I33 a device that lives in 2099",
             _play(332, time="2099-01-01T00:00:00Z", sent_at="2099-01-01T00:03:30Z"), STORED),
        Case("I34 longer than the song", _play(340, song=song(duration_ms=1), ms_played=99), STORED),
        Case("I35 once", _play(35), STORED),
        Case("I35 the same again", _play(35), DUPLICATE),
        Case("I36 the same id, another title", _play(35, song=song(title="other"), time="2022-01-01T00:00:00Z"),
             Reason.ID_CONFLICT),
        Case("S6 the id of another user's play", _play(35, user="bob"), STORED),
        Case("I37 add", _favorite(370, "2021-04-22T05:00:02Z", said=True), STORED),
        Case("I37 an older remove", _favorite(371, "2021-04-22T05:00:01Z", said=False), STORED),
        Case("I38 remove of what was never there", _favorite(380, "2021-04-22T05:00:01Z", said=False, title="no"),
             STORED),
        Case("I43 names of Python and JavaScript",
             _raw(43, "context", '{"__class__": 1, "__proto__": {"a": 1}, "constructor": 2}'), STORED),
        Case("I44 uppercase", _play(44, id="01938A4E-0000-7000-8000-00000000ABCD"), STORED),
        Case("I44 uppercase and lowercase are one", _play(45, id="01938a4e-0000-7000-8000-00000000abcd"),
             Reason.ID_CONFLICT),
    ]  # fmt: skip


def _favorite(number: int, time: str, *, said: bool, title: str = "Parabola") -> bytes:
    return payload(favorite(**(_own(number) | {"time": time}), song=song(title=title), favorite=said))


CORPUS: Final = [*_unreadable(), *_mistaken(), *_harmless()]
# Entries that are no event at all; what Redis lets in, zik must bear.
STRAYS: Final[list[dict[bytes, bytes]]] = [
    {b"events": b"I2"},
    {b"\xff\xfe": b"I7"},
    {b"Event": b"{}", b"": b""},
]
