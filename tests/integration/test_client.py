import json
from typing import Any
from uuid import UUID

import pytest
import redis
from sqlalchemy import Engine, text

from tests.workers import count, full
from worker.client import Client
from worker.database import snapshot
from worker.drain import Drain
from worker.errors import InvalidEventError, StreamFullError, StreamUnavailableError
from worker.keys import STREAM
from worker.stream import EventStream

GIVEN = "01938a4e-0000-7000-8000-000000000001"


def test_what_a_client_publishes_becomes_rows(redis_url: str, stream: EventStream, engine: Engine) -> None:
    with Client(redis_url, source="zik-tests/1") as client:
        event_id = client.play(user="ada", artist="Tool", title="Parabola", ms_played=181_200, context={"a": [1, None]})
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
    redis_url: str, stream: EventStream, engine: Engine
) -> None:
    with Client(redis_url) as client:
        for _ in range(3):
            client.play(user="ada", artist="Tool", title="Parabola", event_id=GIVEN)
    Drain(stream, engine, "a").run()
    books = stream.books()
    assert (count(engine, "play_history"), books.recorded, books.duplicate) == (1, 1, 2)


def test_the_id_that_is_told_for_a_derived_one_is_the_row_s(
    redis_url: str, stream: EventStream, engine: Engine
) -> None:
    song = {"title": "Schism", "artist": "Tool"}
    with Client(redis_url) as client:
        told = client.publish({"type": "play", "time": "2021-04-22T05:40:53Z", "user": "ada", "song": song})
    Drain(stream, engine, "a").run()
    with snapshot(engine) as session:
        assert UUID(session.scalar(text("SELECT CAST(id AS text) FROM play_history")) or "") == UUID(told)


def test_more_events_than_one_round_trip_takes_keep_their_order(redis_url: str, valkey: "redis.Redis") -> None:
    events = [
        {"type": "preference", "time": "2021-04-22T05:40:53Z", "user": "ada", "key": "n", "value": number}
        for number in range(1300)
    ]
    with Client(redis_url) as client:
        client.publish_many(events)
    entries: Any = valkey.xrange(STREAM)
    assert [json.loads(fields[b"event"])["value"] for _, fields in entries] == list(range(1300))


def test_of_events_one_of_which_is_bad_redis_sees_none(redis_url: str, valkey: "redis.Redis") -> None:
    good = {"type": "preference", "time": "2021-04-22T05:40:53Z", "user": "ada", "key": "n", "value": 1}
    with Client(redis_url) as client, pytest.raises(InvalidEventError):
        client.publish_many([*[good] * 700, {**good, "key": "N"}])
    assert not valkey.exists(STREAM)


def test_a_full_redis_is_told_to_the_publisher(redis_url: str, valkey: "redis.Redis") -> None:
    with Client(redis_url) as client:
        with full(valkey), pytest.raises(StreamFullError, match="maxmemory"):
            client.play(user="ada", artist="a secret band", title="Parabola")
        client.play(user="ada", artist="Tool", title="Parabola")
    assert valkey.xlen(STREAM) == 1


def test_a_redis_that_is_away_is_told_to_the_publisher() -> None:
    with Client("redis://127.0.0.1:1/0") as client, pytest.raises(StreamUnavailableError):
        client.play(user="ada", artist="Tool", title="Parabola")
