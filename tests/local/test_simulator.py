"""The simulator's listeners: repeatable, valid, and with the habits that charts are to show."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice, pairwise
from typing import Any

import pytest

from worker.contract.codec import decode, encode
from worker.local.simulator import DAYS, simulate

UNTIL = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)
DAY = timedelta(days=1)
# Each of four kinds of people: to work, at the desk, in the evening, at night.
COMMUTER, CLERK, EVENING, OWL = 0, 5, 10, 15


def events(count: int = 20_000, **options: Any) -> list[dict[str, Any]]:
    return list(simulate(count, until=UNTIL, **options))


@pytest.fixture(scope="module")
def year() -> list[dict[str, Any]]:
    """The plays of thirteen months, each once."""
    found = {event["id"]: event for event in events(60_000, users=40, days=400)}
    return [event for event in found.values() if event["type"] == "play"]


def of(year: list[dict[str, Any]], listener: int) -> list[dict[str, Any]]:
    return [event for event in year if event["user"] == f"listener-{listener:03}"]


def local(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["time"])


def test_the_same_seed_gives_the_same_events() -> None:
    assert events(500) == events(500)
    assert events(500) != events(500, seed=2)


@pytest.mark.parametrize("count", [0, 1, 7, 20_000])
def test_there_are_as_many_events_as_asked_for(count: int) -> None:
    assert len(events(count)) == count


def test_events_are_in_order_within_their_days() -> None:
    times = [local(event) for event in events()]

    assert times == sorted(times)
    assert UNTIL - DAYS * DAY <= times[0] < times[-1] < UNTIL


@pytest.mark.parametrize("options", [{"users": 1, "songs": 1}, {"users": 3, "songs": 5}, {"days": 1}, {}])
def test_each_event_is_valid(options: dict[str, Any]) -> None:
    for event in events(300, **options):
        decode(encode(event), now=UNTIL)
        json.dumps(event)


def test_one_event_in_a_hundred_is_repeated() -> None:
    repeated = sum(before["id"] == after["id"] for before, after in pairwise(events()))

    assert 100 < repeated < 300


def test_few_listeners_have_most_plays(year: list[dict[str, Any]]) -> None:
    plays = Counter(event["user"] for event in year).most_common()

    assert len(plays) == 40
    assert sum(number for _, number in plays[:8]) > len(year) / 2


@pytest.mark.parametrize(
    ("listener", "busy", "quiet"), [(COMMUTER, {7, 17}, {2, 3}), (CLERK, {10, 14}, {0, 23}), (OWL, {0, 23}, {7, 8})]
)
def test_workdays_have_the_hours_of_their_listener(
    year: list[dict[str, Any]], listener: int, busy: set[int], quiet: set[int]
) -> None:
    hours = Counter(local(event).hour for event in of(year, listener) if local(event).isoweekday() <= 5)

    assert min(hours[hour] for hour in busy) > 10 * max(hours[hour] for hour in quiet)


def test_weekends_differ_from_workdays(year: list[dict[str, Any]]) -> None:
    mornings = [local(event).isoweekday() > 5 for event in of(year, COMMUTER) if local(event).hour == 7]
    noons = [local(event).isoweekday() > 5 for event in of(year, COMMUTER) if local(event).hour == 11]

    assert sum(mornings) / len(mornings) < 0.15
    assert sum(noons) / len(noons) > 0.5


def test_nobody_listens_every_day(year: list[dict[str, Any]]) -> None:
    days = Counter(local(event).date() for event in of(year, COMMUTER))

    assert 250 < len(days) < 400
    assert max(days.values()) > 1.6 * sum(days.values()) / len(days)


def test_each_weekday_has_plays(year: list[dict[str, Any]]) -> None:
    weekdays = Counter(local(event).isoweekday() for event in of(year, COMMUTER))

    assert min(weekdays[day] for day in range(1, 8)) > max(weekdays.values()) / 3


def test_albums_are_heard_to_the_end(year: list[dict[str, Any]]) -> None:
    runs = (list(run) for _, run in groupby(of(year, COMMUTER), key=lambda event: event["song"]["album"]))

    longest = max(runs, key=len)
    assert len({event["song"]["title"] for event in longest}) >= 5


def test_a_song_is_sometimes_repeated(year: list[dict[str, Any]]) -> None:
    runs = [len(list(run)) for _, run in groupby(of(year, COMMUTER), key=lambda event: event["song"]["title"])]

    assert 3 <= max(runs) <= 15
    assert sum(run > 1 for run in runs) < len(runs) / 5


def test_restless_days_have_more_skips(year: list[dict[str, Any]]) -> None:
    played = of(year, COMMUTER)
    skips = Counter(local(event).date() for event in played if event["ms_played"] < 60_000)
    shares = sorted(
        skips[day] / number for day, number in Counter(local(e).date() for e in played).items() if number > 20
    )

    assert 0.2 < sum(skips.values()) / len(played) < 0.4
    assert shares[-1] > 2 * shares[len(shares) // 4]


def test_artists_come_back_after_half_a_year(year: list[dict[str, Any]]) -> None:
    days: dict[str, list[datetime]] = {}
    for event in of(year, COMMUTER):
        days.setdefault(event["song"]["artist"], []).append(local(event))

    back = [
        artist
        for artist, heard in days.items()
        for (before, after), left in zip(pairwise(heard), range(len(heard) - 1, 0, -1), strict=True)
        if after - before > 180 * DAY and left >= 10
    ]
    assert back


def test_listeners_differ_in_what_they_like(year: list[dict[str, Any]]) -> None:
    tops = {
        Counter(event["song"]["artist"] for event in of(year, listener)).most_common(1)[0][0] for listener in range(20)
    }

    assert len(tops) >= 10


def test_the_first_events_come_before_the_last_are_made() -> None:
    assert len(list(islice(simulate(10_000_000, until=UNTIL), 3))) == 3
