"""The payloads that a client sends."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from worker.client.events import checked_event
from worker.errors import InvalidEventError, Reason
from worker.testing import MemoryClient

TIME = "2021-04-22T05:40:53Z"
PLAY = {"type": "play", "time": TIME, "user": "ada", "song": {"title": "Parabola", "artist": "Tool"}}


@pytest.fixture
def client() -> MemoryClient:
    return MemoryClient(source="zik-tests/1")


def test_a_play_is_sent_as_the_contract_says(client: MemoryClient) -> None:
    event_id = client.play(
        user="ada",
        artist="Tool",
        title="Parabola",
        time=datetime(2021, 4, 22, 7, 40, 53, tzinfo=timezone(timedelta(hours=2))),
        ms_played=181_200,
        album="Lateralus",
        duration_ms=183_000,
        ids={"isrc": "US-1"},
        context={"shuffle": True},
    )
    song = {
        "title": "Parabola",
        "artist": "Tool",
        "album": "Lateralus",
        "duration_ms": 183_000,
        "ids": {"isrc": "US-1"},
    }
    assert client.events == [
        {
            "v": 1,
            "id": event_id,
            "type": "play",
            "time": "2021-04-22T07:40:53+02:00",
            "source": "zik-tests/1",
            "user": "ada",
            "song": song,
            "ms_played": 181_200,
            "context": {"shuffle": True},
        }
    ]


def test_omitted_fields_are_not_sent(client: MemoryClient) -> None:
    client.play(user="ada", artist="Tool", title="Parabola")
    (event,) = client.events
    assert event.keys() == {"v", "id", "type", "time", "source", "user", "song"}
    assert event["song"].keys() == {"title", "artist"}


def test_a_play_without_a_time_began_now_with_an_offset(client: MemoryClient) -> None:
    before = datetime.now(UTC)
    client.play(user="ada", artist="Tool", title="Parabola")
    began = datetime.fromisoformat(client.events[0]["time"])
    assert before <= began <= datetime.now(UTC)


def test_beginning_and_heard_time_reach_no_further_than_now(client: MemoryClient) -> None:
    before = datetime.now(UTC)
    client.play(user="ada", artist="Tool", title="Parabola", ms_played=181_200)
    began = datetime.fromisoformat(client.events[0]["time"])
    assert before <= began + timedelta(milliseconds=181_200) <= datetime.now(UTC)


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("ended", "time"),
    [
        (datetime(2021, 4, 22, 7, 40, 53, tzinfo=timezone(timedelta(hours=2))), "2021-04-22T07:37:51.800000+02:00"),
        # The clocks went back meanwhile.
        (datetime(2021, 10, 31, 2, 1, fold=1, tzinfo=BERLIN), "2021-10-31T02:57:58.800000+02:00"),
        ("2021-04-22T07:40:53+02:00", "2021-04-22T07:37:51.800000+02:00"),
        ("2021-04-22T05:40:53Z", "2021-04-22T05:37:51.800000Z"),
        ("2021-04-22T05:40:53+00:00", "2021-04-22T05:37:51.800000+00:00"),
    ],
)
def test_a_play_that_ended_began_what_was_heard_before(client: MemoryClient, ended: datetime | str, time: str) -> None:
    client.play(user="ada", artist="Tool", title="Parabola", ended=ended, ms_played=181_200)
    assert client.events[0]["time"] == time


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"time": TIME, "ended": TIME, "ms_played": 1}, "ended: must be left out where `time` is given"),
        ({"ended": TIME}, "ms_played: is required with `ended`"),
        ({"ended": "yesterday", "ms_played": 1}, "ended: must be an RFC 3339 time with an offset"),
        ({"ended": "2021-02-30T05:40:53Z", "ms_played": 1}, "ended: must be an RFC 3339 time with an offset"),
        ({"ended": datetime(2021, 4, 22), "ms_played": 1}, "ended: must have a timezone; "),  # noqa: DTZ001
        ({"ended": datetime.min.replace(tzinfo=UTC), "ms_played": 1}, "ended: must be a time within the years "),
        ({"ms_played": 10**30}, "ms_played: "),
        ({"ms_played": -1}, "ms_played: "),
        ({"ms_played": True}, "ms_played: "),
    ],
)
def test_an_end_that_gives_no_beginning_is_refused(client: MemoryClient, fields: dict[str, Any], detail: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        client.play(user="ada", artist="Tool", title="Parabola", **fields)
    assert caught.value.detail.startswith(detail)
    assert client.events == []


def test_each_event_gets_a_new_id_that_sorts_by_time(client: MemoryClient) -> None:
    ids = [client.play(user="ada", artist="Tool", title="Parabola", time=TIME) for _ in range(3)]
    assert [UUID(event_id).version for event_id in ids] == [7, 7, 7]
    assert len(set(ids)) == 3
    assert [event["id"] for event in client.events] == ids


def test_an_id_that_the_caller_gives_is_kept(client: MemoryClient) -> None:
    given = "01938a4e-0000-7000-8000-000000000001"
    assert client.play(user="ada", artist="Tool", title="Parabola", event_id=given) == given
    assert client.favorite(user="ada", artist="Tool", title="Parabola", event_id=given) == given
    assert client.preference(user="ada", key="mood", value=1, event_id=given) == given
    assert {event["id"] for event in client.events} == {given}


@pytest.mark.parametrize("favorite", [True, False])
def test_a_favorite_and_its_end_are_both_sent(client: MemoryClient, *, favorite: bool) -> None:
    client.favorite(user="ada", artist="Tool", title="Parabola", favorite=favorite, time=TIME)
    (event,) = client.events
    assert (event["type"], event["favorite"], event["time"]) == ("favorite", favorite, TIME)


@pytest.mark.parametrize("value", [{"now": "calm"}, "Europe/Berlin", 3, False, [], None])
def test_any_json_is_a_preference_and_none_clears_it(client: MemoryClient, value: object) -> None:
    client.preference(user="ada", key="mood", value=value)
    (event,) = client.events
    assert (event["type"], event["key"], event["value"]) == ("preference", "mood", value)


def test_publish_adds_no_id_and_returns_the_derived_one(client: MemoryClient) -> None:
    first, second = client.publish(PLAY), client.publish(PLAY)
    assert first == second
    assert UUID(first).version == 5
    assert client.events == [PLAY, PLAY]


def test_many_events_are_sent_in_order(client: MemoryClient) -> None:
    events = [{**PLAY, "song": {"title": f"song {number}", "artist": "a"}} for number in range(1201)]
    ids = client.publish_many(iter(events))
    assert client.events == events
    assert len(set(ids)) == 1201
    assert ids[7] == checked_event(events[7], now=datetime.now(UTC))[0]


def test_publishing_no_events_sends_none(client: MemoryClient) -> None:
    assert client.publish_many([]) == []
    assert client.events == []


def test_one_bad_event_keeps_all_of_them_from_being_sent(client: MemoryClient) -> None:
    with pytest.raises(InvalidEventError):
        client.publish_many([PLAY] * 600 + [{**PLAY, "time": 1}])
    assert client.events == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"user": " "}, Reason.INVALID_VALUE),
        ({"user": None}, Reason.WRONG_TYPE),
        ({"song": {"title": "x"}}, Reason.MISSING_FIELD),
        ({"type": "yodel"}, Reason.UNKNOWN_TYPE),
        ({"time": "2021-04-22T05:40:53"}, Reason.INVALID_VALUE),
        ({"time": "1999-04-22T05:40:53Z"}, Reason.OUT_OF_RANGE),
        ({"ms_played": -1}, Reason.OUT_OF_RANGE),
        ({"song": {"title": "\ud800", "artist": "x"}}, Reason.INVALID_JSON),
        ({"song": {"title": "\0", "artist": "x"}}, Reason.INVALID_VALUE),
        ({"context": {"x": float("nan")}}, Reason.INVALID_JSON),
        ({"context": {"x": object()}}, Reason.INVALID_JSON),
        ({"context": {"x": "y" * 20_000}}, Reason.TOO_LARGE),
    ],
)
def test_an_event_against_the_contract_is_not_sent(
    client: MemoryClient, change: dict[str, Any], reason: Reason
) -> None:
    with pytest.raises(InvalidEventError) as caught:
        client.publish({**PLAY, **change})
    assert caught.value.reason == reason
    assert client.events == []


def test_a_naive_datetime_is_refused(client: MemoryClient) -> None:
    naive = datetime(2021, 4, 22, 5, 40, 53)  # noqa: DTZ001 -- A naive datetime is the input under test.
    with pytest.raises(InvalidEventError, match="timezone"):
        client.play(user="ada", artist="Tool", title="Parabola", time=naive)
    assert client.events == []


def test_the_error_does_not_quote_the_event(client: MemoryClient) -> None:
    with pytest.raises(InvalidEventError) as caught:
        client.play(user="ada", artist="a secret band", title="x" * 501)
    assert "secret" not in str(caught.value)
    assert "title" in str(caught.value)


@pytest.mark.parametrize("zone", ["PST", "utc", "Europe/Berlin ", 1, ["Europe/Berlin"]])
def test_a_timezone_that_is_none_is_refused(client: MemoryClient, zone: object) -> None:
    with pytest.raises(InvalidEventError, match="must name a timezone of the IANA database") as caught:
        client.preference(user="ada", key="timezone", value=zone)
    assert caught.value.reason is Reason.INVALID_VALUE
    assert client.events == []


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Argentina/Ushuaia", "UTC", None])
def test_a_timezone_is_accepted_and_so_is_none_at_all(client: MemoryClient, zone: str | None) -> None:
    client.preference(user="ada", key="timezone", value=zone)
    assert [event["value"] for event in client.events] == [zone]


def test_any_name_may_be_a_timezone_on_a_device_without_the_database(
    client: MemoryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.contract.timezones.timezone_names", frozenset)
    client.preference(user="ada", key="timezone", value="Europe/Berlin")
    with pytest.raises(InvalidEventError):
        client.preference(user="ada", key="timezone", value=1)
    assert len(client.events) == 1
