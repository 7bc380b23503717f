"""Times of exports are read in every spelling, and placed where the listener was; an offset is never overwritten."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import CHEAP
from worker.errors import InvalidEventError
from worker.importers.clock import Clock, ClockNotSetError, Move, Zones
from worker.importers.times import UNDATED, from_epoch, from_text

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
IN_BERLIN = Zones.of(BERLIN)
MOVED = Zones([Move(date(2023, 5, 1), NEW_YORK), Move(date.min, BERLIN)])


def placed(text: str, **options: Any) -> str:
    return Clock(**options).place({"time": text, "song": {"title": "a", "artist": "b"}})


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2024-01-05T12:00:00Z", "2024-01-05T12:00:00Z"),
        ("2024-01-05 12:00:00 UTC", "2024-01-05T12:00:00Z"),
        ("2024-01-05 12:00:00 GMT", "2024-01-05T12:00:00Z"),
        ("2024-01-05t12:00:00z", "2024-01-05T12:00:00Z"),
        ("2024-01-05 12:00:00+00", "2024-01-05T12:00:00+00:00"),
        ("2024-01-05 12:00:00+0000", "2024-01-05T12:00:00+00:00"),
        ("2024-01-05 12:00:00 +00:00", "2024-01-05T12:00:00+00:00"),
        ("2024-01-05 12:00:00.123456789 -0530", "2024-01-05T12:00:00.123456-05:30"),
        ("2024-01-05 12:00:00 +0100 CET", "2024-01-05T12:00:00+01:00"),
        ("2024-01-05T12:00:00+01:00[Europe/Paris]", "2024-01-05T12:00:00+01:00"),
        ("2024-01-05 12:00 UTC+2", "2024-01-05T12:00:00+02:00"),
        ("2024-01-05 12:00:00 \u221203:00", "2024-01-05T12:00:00-03:00"),
        ("2024-01-05T12:00+03:00", "2024-01-05T12:00:00+03:00"),
        ("2024-01-05 12:00:00", "2024-01-05T12:00:00"),
        ("2024/01/05 12:00", "2024-01-05T12:00:00"),
        ("2024-01-05 12:00:00,5", "2024-01-05T12:00:00.5"),
        ("2024-01-05", "2024-01-05"),
        ("5 Jan 2024", "2024-01-05"),
        ("05 Jan 2024, 12:00", "2024-01-05T12:00:00Z"),
        ("January 5, 2024 at 12:00PM", "2024-01-05T12:00:00"),
        ("Fri, 05 Jan 2024 12:00:00 +0200", "2024-01-05T12:00:00+02:00"),
        ("1704456000", "2024-01-05T12:00:00Z"),
        (" 1704456000.0 ", "2024-01-05T12:00:00Z"),
        ("1704456000.25", "2024-01-05T12:00:00.250Z"),
        ("1704456000123", "2024-01-05T12:00:00.123Z"),
        (1704456000, "2024-01-05T12:00:00Z"),
        (1704456000.5, "2024-01-05T12:00:00.500Z"),
    ],
)
def test_a_time_is_read_in_every_common_spelling(text: Any, read: str) -> None:
    assert from_text("time", text) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "05/01/2024",
        "05/01/2024 12:00",
        "2024-13-01",
        "2024-02-30 12:00:00",
        "2024-01-05 25:00",
        None,
        [],
    ],
)
def test_a_time_that_is_ambiguous_or_none_is_refused(text: Any) -> None:
    with pytest.raises(InvalidEventError, match="time: must be"):
        placed(from_text("time", text))


@pytest.mark.parametrize("zones", [None, IN_BERLIN, MOVED])
@pytest.mark.parametrize("offset", ["+00:00", "+0530", "-11", " +14:00"])
def test_an_offset_is_never_overwritten(zones: Zones | None, offset: str) -> None:
    read = from_text("time", f"2024-01-05 12:00:00{offset}")

    assert placed(read, zones=zones) == read


@pytest.mark.parametrize(
    ("text", "in_place"),
    [
        ("2023-01-01T23:30:00Z", "2023-01-02T00:30:00+01:00"),
        ("2023-07-01T12:00:00Z", "2023-07-01T08:00:00-04:00"),
        # It is already May in Berlin, but not where the listener is in May.
        ("2023-04-30T23:00:00Z", "2023-05-01T01:00:00+02:00"),
        ("2023-05-01T03:59:59Z", "2023-05-01T05:59:59+02:00"),
        ("2023-05-01T04:00:00Z", "2023-05-01T00:00:00-04:00"),
        ("2023-04-30T12:00:00", "2023-04-30T12:00:00+02:00"),
        ("2023-05-01T12:00:00", "2023-05-01T12:00:00-04:00"),
        ("2023-04-30", "2023-04-30T12:00:00+02:00"),
        (UNDATED, UNDATED),
    ],
)
def test_times_in_utc_and_local_times_get_the_offset_of_where_the_listener_was(text: str, in_place: str) -> None:
    assert placed(text, zones=MOVED) == in_place


@CHEAP
@given(st.datetimes(datetime(2023, 4, 29), datetime(2023, 5, 3), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_zone_never_moves_an_instant(at: datetime) -> None:
    text = from_epoch("time", at.timestamp())

    for zones in (IN_BERLIN, MOVED):
        assert datetime.fromisoformat(placed(text, zones=zones)) == datetime.fromisoformat(text)


def test_a_local_time_without_a_zone_names_the_option() -> None:
    with pytest.raises(InvalidEventError, match="--timezone ZONE"):
        placed("2024-01-05T12:00:00")


def test_a_shift_moves_every_time_by_the_clock_on_the_wall() -> None:
    shift = timedelta(days=200, hours=1)

    assert placed("2024-01-05T12:00:00Z", shift=shift) == "2024-07-23T13:00:00Z"
    assert placed("2024-01-05T12:00:00-05:00", shift=shift) == "2024-07-23T13:00:00-05:00"
    assert placed("2024-01-05T12:00:00", shift=shift, zones=IN_BERLIN) == "2024-07-23T13:00:00+02:00"
    assert placed("1970-01-05T12:00:00Z", shift=timedelta(days=12_000)) == "2002-11-13T12:00:00Z"
    with pytest.raises(InvalidEventError, match="after --shift"):
        placed("2024-01-05T12:00:00Z", shift=timedelta(days=9_999_999))


def test_a_clock_that_was_not_set_names_its_year() -> None:
    with pytest.raises(ClockNotSetError, match="is of 1970, as of a player") as refused:
        placed("1970-01-01T00:05:00Z")

    assert refused.value.year == 1970


def test_the_times_of_a_clock_that_was_not_set_count_from_a_day() -> None:
    day = date(2011, 6, 1)

    assert placed("1970-01-03T00:05:00Z", undated=day) == "2011-06-03T00:05:00Z"
    assert placed("2000-01-01T08:00:00", undated=day, zones=IN_BERLIN) == "2011-06-01T08:00:00+02:00"
    assert placed("2024-01-05T12:00:00Z", undated=day) == "2024-01-05T12:00:00Z"


def test_equal_rows_without_a_time_are_a_second_apart() -> None:
    clock = Clock(undated=date(2011, 6, 1))
    one, other = ({"title": title, "artist": "b"} for title in ("a", "c"))

    def times(song: dict[str, str], text: str) -> list[str]:
        return [clock.place({"time": text, "song": song}) for _ in range(2)]

    assert times(one, "2024-01-05") == ["2024-01-05T12:00:00Z", "2024-01-05T12:00:01Z"]
    assert times(other, "2024-01-05") == ["2024-01-05T12:00:00Z", "2024-01-05T12:00:01Z"]
    assert times(one, "1970-01-01T00:00:00Z") == ["2011-06-01T00:00:00Z", "2011-06-01T00:00:01Z"]
