"""Every kind of client keeps these promises: with threads or without, for asyncio or not."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis
from sqlalchemy import Engine, text

from tests.support.clients import KINDS, opened_client
from tests.support.processes import count
from worker.client import Counters
from worker.database.engine import snapshot
from worker.drain.drain import Drain
from worker.errors import ClientClosedError, InvalidEventError, OutboxError, Reason
from worker.stream.consumer import EventStream
from worker.stream.keys import STREAM

GIVEN = "01938a4e-0000-7000-8000-000000000001"
TIME = "2021-04-22T05:40:53Z"
PREFERENCE = {"type": "preference", "time": "2021-04-22T05:40:53Z", "user": "ada", "key": "n", "value": 1}
SONG = {"artist": "Tool", "title": "Parabola"}

Open = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(params=KINDS)
def open_client(request: pytest.FixtureRequest, redis_url: str) -> Open:
    return partial(opened_client, request.param, redis_url)


def sent(valkey: "redis.Redis") -> list[Any]:
    entries: Any = valkey.xrange(STREAM)
    return [json.loads(fields[b"event"]) for _, fields in entries]


def test_published_events_become_rows(open_client: Open, stream: EventStream, engine: Engine) -> None:
    with open_client(source="zik-tests/1") as client:
        event_id = client.play(user="ada", **SONG, ms_played=181_200, context={"a": [1, None]})
        client.favorite(user="ada", artist="TOOL", title="parabola")
        client.preference(user="ada", key="mood", value={"now": "calm"})
    Drain(stream, engine, "a").run()
    with snapshot(engine) as session:
        (row,) = session.execute(text("SELECT CAST(id AS text), ms_played, source FROM play_history"))
        assert (UUID(row[0]), row[1], row[2]) == (UUID(event_id), 181_200, "zik-tests/1")
        assert session.scalar(text("SELECT is_favorite FROM favorites"))
        assert json.loads(session.scalar(text("SELECT CAST(value AS text) FROM preferences")) or "") == {"now": "calm"}
    assert (count(engine, "songs"), count(engine, "app_users")) == (1, 1)
    assert stream.books().recorded == 3


def test_an_event_published_again_with_its_id_is_recorded_once(
    open_client: Open, stream: EventStream, sqlite: Engine
) -> None:
    with open_client() as client:
        assert {client.play(user="ada", **SONG, time=TIME, event_id=GIVEN) for _ in range(3)} == {GIVEN}
    Drain(stream, sqlite, "a").run()
    books = stream.books()
    assert (count(sqlite, "play_history"), books.recorded, books.duplicate) == (1, 1, 2)


def test_publish_returns_the_derived_id_of_the_row(open_client: Open, stream: EventStream, sqlite: Engine) -> None:
    with open_client() as client:
        event_id = client.publish({"type": "play", "time": "2021-04-22T05:40:53Z", "user": "ada", "song": SONG})
    Drain(stream, sqlite, "a").run()
    with snapshot(sqlite) as session:
        assert UUID(session.scalar(text("SELECT CAST(id AS text) FROM play_history")) or "") == UUID(event_id)


@pytest.mark.parametrize("outbox", [None, "plays.outbox"])
def test_more_events_than_one_round_trip_takes_keep_their_order(
    open_client: Open, valkey: "redis.Redis", tmp_path: Path, outbox: str | None
) -> None:
    with open_client(outbox=outbox and tmp_path / outbox) as client:
        client.publish_many([{**PREFERENCE, "value": number} for number in range(1200)])
        client.publish_many({**PREFERENCE, "value": number} for number in range(1200, 1300))
        assert client.flush(30)
        assert client.counters == Counters(sent=1300)
    assert [event["value"] for event in sent(valkey)] == list(range(1300))


def test_one_bad_event_keeps_its_whole_batch_out_of_redis(open_client: Open, valkey: "redis.Redis") -> None:
    with open_client() as client:
        with pytest.raises(InvalidEventError):
            client.publish_many([*[PREFERENCE] * 700, {**PREFERENCE, "key": "N"}])
        assert client.counters == Counters(refused=1)
    assert not valkey.exists(STREAM)


def test_a_refusal_names_field_rule_and_type_but_not_the_value(open_client: Open) -> None:
    with open_client() as client, pytest.raises(InvalidEventError) as caught:
        client.play(user="ada", **SONG, ms_played="a secret")
    assert caught.value.reason is Reason.WRONG_TYPE
    assert caught.value.detail == "ms_played: Input should be a valid integer (got a string)"


def test_flush_returns_true_once_redis_has_every_event(open_client: Open, valkey: "redis.Redis") -> None:
    with open_client(flush_interval_s=60) as client:
        for _ in range(3):
            client.play(user="ada", **SONG)
            assert client.flush(30)
            assert valkey.xlen(STREAM) == client.counters.sent


def test_close_sends_queued_events_and_may_be_called_twice(open_client: Open, valkey: "redis.Redis") -> None:
    with open_client(flush_interval_s=60) as client:
        client.play(user="ada", **SONG)
        client.close()
        assert valkey.xlen(STREAM) == 1


def test_a_closed_client_takes_no_event(open_client: Open) -> None:
    with open_client() as client:
        client.close()
        with pytest.raises(ClientClosedError, match="make another"):
            client.play(user="ada", **SONG)


def test_a_disabled_client_validates_and_sends_nothing(
    open_client: Open, valkey: "redis.Redis", tmp_path: Path
) -> None:
    with open_client(disabled=True, outbox=tmp_path / "never.outbox") as client:
        assert UUID(client.play(user="ada", **SONG)).version == 7
        with pytest.raises(InvalidEventError):
            client.play(user="", **SONG)
        assert client.flush()
        assert client.flush_outbox()
    assert not valkey.exists(STREAM)
    assert list(tmp_path.iterdir()) == []


def test_before_send_may_change_an_event_and_withhold_it(open_client: Open, valkey: "redis.Redis") -> None:
    def private(event: dict[str, Any]) -> dict[str, Any] | None:
        return None if event["song"]["artist"] == "Secret" else {**event, "user": "anonymous"}

    with open_client(before_send=private) as client:
        assert UUID(client.play(user="ada", artist="Secret", title="x")).version == 7
        event_id = client.play(user="ada", **SONG)
        assert client.flush(30)
        assert client.counters == Counters(sent=1, dropped=1)
    assert [(event["id"], event["user"]) for event in sent(valkey)] == [(event_id, "anonymous")]


def test_an_event_that_before_send_breaks_is_refused(open_client: Open, valkey: "redis.Redis") -> None:
    with open_client(before_send=lambda event: {**event, "user": 5}) as client:
        with pytest.raises(InvalidEventError, match="user: "):
            client.play(user="ada", **SONG)
        assert client.counters == Counters(refused=1)
    assert not valkey.exists(STREAM)


def test_flush_outbox_without_an_outbox_raises(open_client: Open) -> None:
    with open_client() as client, pytest.raises(OutboxError, match="outbox=PATH"):
        client.flush_outbox()


def test_events_are_on_disk_after_flush_outbox(open_client: Open, tmp_path: Path, valkey: "redis.Redis") -> None:
    with open_client(outbox=tmp_path / "plays.outbox", flush_interval_s=0) as client:
        client.play(user="ada", **SONG)
        assert client.flush_outbox(30)
        assert client.flush(30)
    assert valkey.xlen(STREAM) == 1
    assert (tmp_path / "plays.outbox").stat().st_mode & 0o777 == 0o600
