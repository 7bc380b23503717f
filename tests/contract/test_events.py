from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import NOW, Fields, event, event_id, favorite, payload, play, preference, song
from tests.support.strategies import CHEAP, far_apart
from worker.contract.codec import decode
from worker.contract.events import (
    EARLIEST_TIME,
    MAX_DURATION_MS,
    Event,
    Moment,
    PlayEvent,
    PreferenceEvent,
    parse_moment,
)
from worker.errors import InvalidEventError, Reason

UPPER = "01938A4E-ABCD-7000-8000-ABCDEF000001"


def decoded_play(**changes: Any) -> PlayEvent:
    decoded = event(play(**changes))
    assert isinstance(decoded, PlayEvent)
    return decoded


# --- The field table ----------------------------------------------------------------------------

ALLOWED: dict[str, Fields] = {
    "v-is-1": play(v=1),
    "v-is-absent": play(v=...),
    "id": play(id=event_id(1)),
    "type-favorite": favorite(),
    "type-preference": preference(),
    "time-with-nanoseconds": play(time="2021-04-22T05:40:53.123456789Z"),
    "time-in-small-letters": play(time="2021-04-22t05:40:53z"),
    "earliest-time": play(time="2002-01-01T00:00:00Z"),
    "earliest-time-elsewhere": play(time="2001-12-31T19:00:00-05:00"),
    "a-day-ahead": play(time="2026-11-24T12:00:00Z"),
    "user-of-1": play(user="a"),
    "user-of-64": play(user="ü" * 64),
    "user-of-64-after-trimming": play(user=f"  {'a' * 64}\n"),
    "source-of-100": play(source="s" * 100),
    "source-is-null": play(source=None),
    "title-and-artist-of-1": play(song={"title": "a", "artist": "b"}),
    "title-and-artist-of-500": play(song={"title": "a" * 500, "artist": "🎵" * 500}),
    "album-of-500": play(song=song(album="a" * 500)),
    "album-is-empty": play(song=song(album="")),
    "one-artist": play(song=song(artists=["Tool"])),
    "20-artists-of-500": play(song=song(artists=["a" * 500] * 20)),
    "artists-of-500-after-trimming": play(song=song(artists=[f" {'a' * 500}\n"])),
    "artists-are-null": play(song=song(artists=None, album_artist=None)),
    "album_artist-of-500": play(song=song(album_artist="a" * 500)),
    "album_artist-is-empty": play(song=song(album_artist="")),
    "artists-of-a-favorite": favorite(song=song(artists=["Tool"], album_artist="Tool")),
    "duration-of-1-ms": play(song=song(duration_ms=1)),
    "duration-of-24-days": play(song=song(duration_ms=MAX_DURATION_MS)),
    "ids": play(song=song(ids={str(number): "x" * 200 for number in range(16)})),
    "optional-metadata-is-null": play(song=song(album=None, duration_ms=None, ids=None)),
    "ms_played-of-0": play(ms_played=0),
    "ms_played-of-24-days": play(ms_played=MAX_DURATION_MS),
    "I34-ms_played-beyond-the-duration": play(song=song(duration_ms=1), ms_played=2),
    "favorite-is-false": favorite(favorite=False),
    "key-of-1": preference(key="k"),
    "key-of-64": preference(key="k" * 64),
    "key-with-all-it-may-hold": preference(key="a0_.-z"),
    "value-is-null": preference(value=None),
    "value-is-a-number": preference(value=1.5),
    "value-of-depth-8": preference(value=[[[[[[[[1]]]]]]]]),
    "context-of-4-KiB": play(context={"a": "x" * (4096 - len('{"a":""}'))}),
    "context-of-depth-8": play(context={"a": [[[[[[[1]]]]]]]}),
    "context-is-null": play(context=None),
}

REFUSED: dict[str, tuple[Fields, Reason]] = {
    "v-is-2": (play(v=2), Reason.UNSUPPORTED_VERSION),
    "v-is-null": (play(v=None), Reason.WRONG_TYPE),
    "no-time": (play(time=...), Reason.MISSING_FIELD),
    "time-with-a-blank": (play(time="2021-04-22 05:40:53Z"), Reason.INVALID_VALUE),
    "time-with-a-comma": (play(time="2021-04-22T05:40:53,5Z"), Reason.INVALID_VALUE),
    "time-in-other-digits": (play(time="٢٠٢١-04-22T05:40:53Z"), Reason.INVALID_VALUE),
    "time-with-more-behind": (play(time="2021-04-22T05:40:53Z\n"), Reason.INVALID_VALUE),
    "offset-with-seconds": (play(time="2021-04-22T05:40:53+05:30:10"), Reason.INVALID_VALUE),
    "just-too-early": (play(time="2001-12-31T23:59:59.999999Z"), Reason.OUT_OF_RANGE),
    "more-than-a-day-ahead": (play(time="2026-11-24T12:00:00.000001Z"), Reason.OUT_OF_RANGE),
    "user-of-65": (play(user="a" * 65), Reason.OVER_LIMIT),
    "source-of-101": (play(source="s" * 101), Reason.OVER_LIMIT),
    "source-is-a-number": (play(source=1), Reason.WRONG_TYPE),
    "no-song": (play(song=...), Reason.MISSING_FIELD),
    "song-is-text": (play(song="Parabola"), Reason.WRONG_TYPE),
    "no-title": (play(song=song(title=...)), Reason.MISSING_FIELD),
    "no-artist": (play(song=song(artist=...)), Reason.MISSING_FIELD),
    "title-of-blanks": (play(song=song(title=" ")), Reason.INVALID_VALUE),
    "artist-of-blanks": (play(song=song(artist="\u2003")), Reason.INVALID_VALUE),
    "title-of-501": (play(song=song(title="a" * 501)), Reason.OVER_LIMIT),
    "artist-of-501": (play(song=song(artist="a" * 501)), Reason.OVER_LIMIT),
    "album-of-501": (play(song=song(album="a" * 501)), Reason.OVER_LIMIT),
    "no-artists": (play(song=song(artists=[])), Reason.INVALID_VALUE),
    "21-artists": (play(song=song(artists=["a"] * 21)), Reason.OVER_LIMIT),
    "artist-in-artists-of-501": (play(song=song(artists=["a", "a" * 501])), Reason.OVER_LIMIT),
    "artist-in-artists-of-blanks": (play(song=song(artists=["a", " "])), Reason.INVALID_VALUE),
    "artist-in-artists-is-empty": (favorite(song=song(artists=[""])), Reason.INVALID_VALUE),
    "artist-in-artists-is-null": (play(song=song(artists=[None])), Reason.WRONG_TYPE),
    "artists-are-text": (play(song=song(artists="Tool")), Reason.WRONG_TYPE),
    "artists-are-an-object": (play(song=song(artists={"0": "Tool"})), Reason.WRONG_TYPE),
    "album_artist-of-501": (play(song=song(album_artist="a" * 501)), Reason.OVER_LIMIT),
    "album_artist-is-a-list": (play(song=song(album_artist=["Tool"])), Reason.WRONG_TYPE),
    "duration-of-0": (play(song=song(duration_ms=0)), Reason.OUT_OF_RANGE),
    "duration-over-24-days": (play(song=song(duration_ms=MAX_DURATION_MS + 1)), Reason.OUT_OF_RANGE),
    "duration-is-text": (play(song=song(duration_ms="1")), Reason.WRONG_TYPE),
    "17-ids": (play(song=song(ids={str(number): "x" for number in range(17)})), Reason.OVER_LIMIT),
    "id-of-201": (play(song=song(ids={"isrc": "x" * 201})), Reason.OVER_LIMIT),
    "name-of-an-id-of-65": (play(song=song(ids={"x" * 65: "1"})), Reason.OVER_LIMIT),
    "id-is-a-number": (play(song=song(ids={"isrc": 1})), Reason.WRONG_TYPE),
    "ids-are-a-list": (play(song=song(ids=["isrc"])), Reason.WRONG_TYPE),
    "ms_played-below-0": (play(ms_played=-1), Reason.OUT_OF_RANGE),
    "ms_played-over-24-days": (play(ms_played=MAX_DURATION_MS + 1), Reason.OUT_OF_RANGE),
    "no-favorite": (favorite(favorite=...), Reason.MISSING_FIELD),
    "favorite-is-null": (favorite(favorite=None), Reason.WRONG_TYPE),
    "no-key": (preference(key=...), Reason.MISSING_FIELD),
    "key-is-empty": (preference(key=""), Reason.INVALID_VALUE),
    "key-of-65": (preference(key="k" * 65), Reason.INVALID_VALUE),
    "key-in-capitals": (preference(key="Mood"), Reason.INVALID_VALUE),
    "key-begins-with-a-digit": (preference(key="0k"), Reason.INVALID_VALUE),
    "key-with-a-newline": (preference(key="k\n"), Reason.INVALID_VALUE),
    "value-of-depth-9": (preference(value=[[[[[[[[[1]]]]]]]]]), Reason.OVER_LIMIT),
    "context-over-4-KiB": (play(context={"a": "x" * (4097 - len('{"a":""}'))}), Reason.OVER_LIMIT),
    "context-over-4-KiB-in-bytes": (play(context={"a": "ü" * 2048}), Reason.OVER_LIMIT),
    "context-of-depth-9": (play(context={"a": [[[[[[[[1]]]]]]]]}), Reason.OVER_LIMIT),
    "context-is-a-list": (play(context=[]), Reason.WRONG_TYPE),
}


@pytest.mark.parametrize("fields", ALLOWED.values(), ids=ALLOWED.keys())
def test_the_contract_accepts_each_valid_event(fields: Fields) -> None:
    assert decode(payload(fields), now=NOW).type == fields["type"]


@pytest.mark.parametrize(("fields", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_the_contract_refuses_each_invalid_event_with_its_reason(fields: Fields, reason: Reason) -> None:
    with pytest.raises(InvalidEventError) as caught:
        event(fields)
    assert caught.value.reason is reason


def test_text_is_trimmed() -> None:
    decoded = decoded_play(user=" ada ", source=" mpd ", song={"title": "\ta ", "artist": " b\n", "album": " c "})
    assert (decoded.user, decoded.source) == ("ada", "mpd")
    assert (decoded.song.title, decoded.song.artist, decoded.song.album) == ("a", "b", "c")


def test_an_uppercase_id_is_normalised() -> None:
    assert decoded_play(id=UPPER).id == UPPER.lower()


def test_a_username_in_nfd_is_decoded_to_nfc() -> None:
    assert decoded_play(user="Zoe\u0308").user == decoded_play(user="Zo\u00eb").user


def test_a_cleared_preference_differs_from_one_without_a_value() -> None:
    decoded = event(preference(value=None))
    assert isinstance(decoded, PreferenceEvent)
    assert decoded.value is None


# --- Time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "minutes"),
    [("Z", None), ("z", None), ("-00:00", None), ("+00:00", 0), ("+05:30", 330), ("-08:00", -480), ("+14:00", 840)],
)
def test_the_listeners_offset_is_kept_and_may_be_unknown(offset: str, minutes: int | None) -> None:
    moment = parse_moment(f"2021-04-22T05:40:53{offset}")
    assert moment.offset_minutes == minutes
    assert moment.at == datetime(2021, 4, 22, 5, 40, 53, tzinfo=UTC) - timedelta(minutes=minutes or 0)


@CHEAP
@given(time=far_apart())
def test_a_moment_is_the_instant_of_its_text_in_utc(time: str) -> None:
    moment = parse_moment(time)
    assert moment.at.tzinfo is UTC
    assert moment.at == datetime.fromisoformat(time)


@CHEAP
@given(
    local=st.datetimes() | st.sampled_from([datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59)]),  # noqa: DTZ001 -- below
    offset=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_a_moment_of_any_year_and_offset_is_what_python_reads(local: datetime, offset: timezone) -> None:
    text = local.replace(tzinfo=offset).isoformat()
    try:
        expected = datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError:
        with pytest.raises(OverflowError):
            parse_moment(text)
    else:
        assert parse_moment(text) == Moment(expected, offset.utcoffset(None) // timedelta(minutes=1))


def test_how_far_ahead_an_event_may_be_follows_the_given_clock() -> None:
    later = payload(play(time="2026-11-30T00:00:00Z"))
    with pytest.raises(InvalidEventError):
        decode(later, now=NOW)
    assert decode(later, now=NOW + timedelta(days=10)).user == "ada"


def test_time_begins_in_2002() -> None:
    assert datetime(2002, 1, 1, tzinfo=UTC) == EARLIEST_TIME


# --- Identity -----------------------------------------------------------------------------------

SAME_SONG = {
    "album": song(album="Lateralus"),
    "duration": song(duration_ms=183_000),
    "ids": song(ids={"isrc": "US1"}),
    "artists": song(artists=["Tool", "Ada"], album_artist="Ada"),
    "spelling": song(title=" PARABOLA  ", artist="tool"),
}
SAME_EVENT = {name: {"song": same} for name, same in SAME_SONG.items()} | {
    "source": {"source": "mpd"},
    "context": {"context": {"shuffle": True}},
    "ms_played": {"ms_played": 5},
    "offset": {"time": "2021-04-22T11:10:53+05:30"},
    "fraction": {"time": "2021-04-22T05:40:53.000Z"},
    "blanks": {"user": " ada "},
}


@pytest.mark.parametrize("same", SAME_SONG.values(), ids=SAME_SONG.keys())
def test_a_song_is_identified_by_artist_and_title_only(same: Fields) -> None:
    assert decoded_play(song=same).song.identity == decoded_play().song.identity


@pytest.mark.parametrize("same", SAME_EVENT.values(), ids=SAME_EVENT.keys())
def test_a_derived_id_does_not_depend_on_metadata_or_spelling(same: Fields) -> None:
    assert decoded_play(**same).id == decoded_play().id


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(favorite(), id="type"),
        pytest.param(play(user="bob"), id="user"),
        pytest.param(play(time="2021-04-22T05:40:53.000001Z"), id="time"),
        pytest.param(play(song=song(title="Schism")), id="title"),
        pytest.param(play(song=song(artist="Ada")), id="artist"),
        pytest.param(play(song=song(title="Tool", artist="Parabola")), id="exchanged"),
    ],
)
def test_a_derived_id_depends_on_type_user_song_and_time(other: Fields) -> None:
    assert event(other).id != decoded_play().id


def test_a_preferences_derived_id_depends_on_key_and_not_value() -> None:
    first = event(preference()).id
    assert event(preference(value="wild")).id == first
    assert event(preference(key="weather")).id != first


def test_a_given_id_is_kept() -> None:
    assert decoded_play(id=event_id(7)).id == event_id(7)


@pytest.mark.parametrize("decoded", [event(play()), event(favorite()), event(preference())])
def test_an_event_cannot_be_changed(decoded: Event) -> None:
    with pytest.raises(AttributeError, match="immutable"):
        setattr(decoded, "user", "bob")  # noqa: B010 -- mypy refuses the plain assignment, as it should
