from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from tests.support.events import preference
from tests.support.rollup_rows import at, days, store_timezone
from tests.support.strategies import CHEAP
from worker.statistics.local_time import stretches, timezone_of


def in_zone(name: object) -> dict[str, object]:
    return preference(key="timezone", value=name)


@pytest.mark.parametrize(
    ("time", "day"),
    [
        ("2021-04-22T23:59:59.999999Z", date(2021, 4, 22)),
        ("2021-04-22T23:59:59.999999-00:00", date(2021, 4, 22)),
        ("2021-04-23T00:00:00Z", date(2021, 4, 23)),
        ("2021-04-22T23:59:59.999999+14:00", date(2021, 4, 22)),
        ("2021-04-23T00:00:00+14:00", date(2021, 4, 23)),
        ("2021-04-22T23:59:59.999999-12:00", date(2021, 4, 22)),
        ("2021-04-23T00:00:00-12:00", date(2021, 4, 23)),
        ("2021-04-23T00:10:00+23:59", date(2021, 4, 23)),
        ("2021-04-22T23:50:00-23:59", date(2021, 4, 22)),
        ("2020-02-29T23:30:00-05:45", date(2020, 2, 29)),
        ("2020-12-31T23:30:00-08:00", date(2020, 12, 31)),
    ],
)
def test_the_offset_of_the_event_makes_the_local_day(engine: Engine, time: str, day: date) -> None:
    assert days(engine, at(time)) == {day: 1}


def test_the_offset_of_the_event_counts_before_the_timezone(engine: Engine) -> None:
    assert days(engine, in_zone("Asia/Tokyo"), at("2021-04-22T23:30:00+00:00")) == {date(2021, 4, 22): 1}


# Vienna changes its clocks at 01:00 UTC: from +01:00 to +02:00 in March, and back in October.
@pytest.mark.parametrize(
    ("time", "day"),
    [
        ("2021-03-27T22:59:59Z", date(2021, 3, 27)),
        ("2021-03-27T23:00:00Z", date(2021, 3, 28)),
        ("2021-03-28T21:59:59Z", date(2021, 3, 28)),
        ("2021-03-28T22:00:00Z", date(2021, 3, 29)),
        ("2021-10-30T21:59:59Z", date(2021, 10, 30)),
        ("2021-10-30T22:00:00Z", date(2021, 10, 31)),
        ("2021-10-31T22:59:59.999999Z", date(2021, 10, 31)),
        ("2021-10-31T23:00:00Z", date(2021, 11, 1)),
    ],
)
def test_the_timezone_makes_the_day_of_an_event_without_offset(engine: Engine, time: str, day: date) -> None:
    assert days(engine, in_zone("Europe/Vienna"), at(time)) == {day: 1}


def test_a_timezone_that_is_told_later_moves_the_plays_without_offset_alone(engine: Engine) -> None:
    plays = at("2021-04-22T16:30:00Z"), at("2021-04-22T12:30:00+02:00")
    assert days(engine, *plays) == {date(2021, 4, 22): 2}
    assert days(engine, in_zone("Asia/Tokyo")) == {date(2021, 4, 22): 1, date(2021, 4, 23): 1}


# Samoa moved across the date line and skipped the 30th of December.
def test_a_day_that_its_timezone_skipped_has_no_plays(engine: Engine) -> None:
    found = days(engine, in_zone("Pacific/Apia"), at("2011-12-30T09:59:59Z"), at("2011-12-30T10:00:00Z"))
    assert found == {date(2011, 12, 29): 1, date(2011, 12, 31): 1}


@pytest.mark.parametrize("nonsense", ["Europe", "europe/vienna", "../etc/passwd", "", "Mars/Olympus", 7, None, ["UTC"]])
def test_an_invalid_timezone_is_read_as_utc(engine: Engine, nonsense: object) -> None:
    assert timezone_of(nonsense) is UTC
    store_timezone(engine, nonsense)
    assert days(engine, at("2021-04-22T23:30:00Z")) == {date(2021, 4, 22): 1}


def test_localtime_is_read_as_utc_and_not_as_the_hosts_zone() -> None:
    assert timezone_of("localtime") is UTC


@CHEAP
@given(
    st.sampled_from(sorted(available_timezones())),
    st.datetimes(datetime(2002, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 -- hypothesis wants naive bounds
    st.integers(1, 72 * 60),
    st.integers(0, 72 * 3600),
)
def test_the_stretches_of_a_timezone_have_its_offsets(name: str, start: datetime, minutes: int, second: int) -> None:
    starts_at = start.replace(tzinfo=UTC, second=0, microsecond=0)
    ends_at = starts_at + timedelta(minutes=minutes)
    parts = list(stretches(ZoneInfo(name), starts_at, ends_at))
    assert (parts[0].starts_at, parts[-1].ends_at) == (starts_at, ends_at)
    assert all(before.ends_at == after.starts_at for before, after in pairwise(parts))
    moment = starts_at + timedelta(seconds=second % (60 * minutes))
    (part,) = (part for part in parts if part.starts_at <= moment < part.ends_at)
    offset = moment.astimezone(ZoneInfo(name)).utcoffset() or timedelta()
    assert part.offset_minutes == offset // timedelta(minutes=1)
