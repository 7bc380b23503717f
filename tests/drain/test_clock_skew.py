"""Devices with wrong clocks, from the stream to the rows and back out."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
import redis
from sqlalchemy import Engine, select

from tests.support import oracle
from tests.support.clients import UNREACHABLE, ErrorRecorder
from tests.support.events import Fields, entry_id_at, event_id, favorite, payload, play, preference, song
from worker.books import Outcome
from worker.client import Client
from worker.client.events import checked_event
from worker.client.reporting import Counters
from worker.client.sender import Sender
from worker.contract.codec import encode
from worker.database.engine import snapshot
from worker.drain.drain import Drain
from worker.errors import EventDroppedError
from worker.importers.json_lines import publish_lines
from worker.models import Favorite, PlayHistory, Preference, StaleDay
from worker.operations.dead_letters import Desk, count_by_reason, find
from worker.privacy.export import export_lines
from worker.stream.consumer import EventStream
from worker.stream.keys import FIELD, STREAM
from worker.stream.producer import Producer

HOUR: Final = timedelta(hours=1)
BOOT: Final = datetime(1970, 1, 1, 0, 6, 50, tzinfo=UTC)
RECEIVED: Final = datetime(2026, 11, 1, 12, tzinfo=UTC)
NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)


def lost(**changes: Any) -> Fields:
    """A play that began 210 seconds before it was sent, by a device that has lost its clock."""
    return play(**{"time": "1970-01-01T00:03:20Z", "sent_at": "1970-01-01T00:06:50Z"} | changes)


def received(stream: "redis.Redis", events: Sequence[Fields], at: datetime = RECEIVED) -> None:
    """As if Redis had received them then, a millisecond apart."""
    for number, fields in enumerate(events):
        entry_id = entry_id_at(at + number * timedelta(milliseconds=1))
        stream.xadd(STREAM, {FIELD: payload(fields)}, id=entry_id)


class StoppedRedis(EventStream):
    """A Redis whose clock stands still, as the worker's does."""

    def now(self) -> datetime:
        return NOW


def drained(stream: EventStream, engine: Engine, **options: Any) -> dict[Outcome, int]:
    return dict(Drain(StoppedRedis(stream._redis), engine, "a", now=lambda: NOW, **options).run().outcomes)


def played(engine: Engine) -> list[tuple[Any, ...]]:
    with snapshot(engine) as session:
        rows = select(PlayHistory.played_at, PlayHistory.reported_at).order_by(PlayHistory.played_at)
        return [tuple(row) for row in session.execute(rows)]


TOLD: Final = datetime(1970, 1, 1, 0, 3, 20, tzinfo=UTC)
CORRECTED: Final = RECEIVED - timedelta(seconds=210)


def test_a_row_keeps_both_times_and_its_day_is_the_corrected_one(
    stream: EventStream, valkey: "redis.Redis", engine: Engine
) -> None:
    received(valkey, [lost(), favorite(time="1970-01-01T00:03:20Z", sent_at="1970-01-01T00:06:50Z"), preference()])
    assert drained(stream, engine) == {Outcome.RECORDED: 3}
    assert played(engine) == [(CORRECTED, TOLD)]
    with snapshot(engine) as session:
        word = session.scalars(select(Favorite)).one()
        assert (word.said_at, word.reported_at) == (CORRECTED + timedelta(milliseconds=1), TOLD)
        assert session.scalars(select(Preference)).one().reported_at is None
        assert {day.year for day in session.scalars(select(StaleDay.day))} == {2026}


@pytest.mark.parametrize("known", [{"id": event_id(1)}, {}], ids=["with an id", "with a derived id"])
@pytest.mark.parametrize("batch_size", [1, 2_000])
def test_a_play_resent_with_another_skew_is_a_duplicate(
    stream: EventStream, valkey: "redis.Redis", engine: Engine, known: Fields, batch_size: int
) -> None:
    # The second after the clock was set: it then tells a time long past, which nothing corrects.
    again = [lost(**known), lost(**known) | {"sent_at": "1970-01-01T00:06:49.123Z"}]
    received(valkey, [*again, lost(**known) | {"sent_at": RECEIVED.isoformat()}])
    outcomes = drained(stream, engine, batch_size=batch_size)
    assert outcomes[Outcome.RECORDED] == 1
    assert played(engine) == [(CORRECTED, TOLD)]
    # By the right clock that time is out of the contract's range; the play is kept nevertheless.
    assert outcomes == {Outcome.RECORDED: 1, Outcome.DUPLICATE: 1, Outcome.DEAD: 1}


def test_plays_of_a_wrong_clock_are_distinguished_by_their_ids(
    stream: EventStream, valkey: "redis.Redis", engine: Engine
) -> None:
    """A device that loses its clock at every start tells the same time every day, of plays that are not the same."""
    received(valkey, [lost(id=event_id(1))])
    received(valkey, [lost(id=event_id(2))], at=RECEIVED + timedelta(days=1))
    assert drained(stream, engine) == {Outcome.RECORDED: 2}
    assert played(engine) == [(CORRECTED, TOLD), (CORRECTED + timedelta(days=1), TOLD)]


def test_a_corrected_play_duplicates_the_play_of_a_right_clock(
    stream: EventStream, valkey: "redis.Redis", engine: Engine
) -> None:
    received(valkey, [play(id=event_id(1), time=CORRECTED.isoformat())], at=RECEIVED - HOUR)
    received(valkey, [lost(id=event_id(2))])
    assert drained(stream, engine) == {Outcome.RECORDED: 1, Outcome.DUPLICATE: 1}
    assert played(engine) == [(CORRECTED, None)]


@pytest.mark.parametrize("batch_size", [1, 2_000])
def test_the_latest_claim_is_the_latest_by_corrected_time(
    stream: EventStream, valkey: "redis.Redis", engine: Engine, batch_size: int
) -> None:
    fast = favorite(time="2099-01-01T00:00:00Z", sent_at="2099-01-01T00:00:10Z", favorite=True)
    right = favorite(time=(RECEIVED - timedelta(seconds=5)).isoformat(), favorite=False)
    received(valkey, [right, fast])
    drained(stream, engine, batch_size=batch_size)
    with snapshot(engine) as session:
        word = session.scalars(select(Favorite)).one()
        assert (word.is_favorite, word.reported_at) == (False, None)


@pytest.mark.parametrize("batch_size", [1, 2_000])
@pytest.mark.parametrize("word", [favorite, preference])
@pytest.mark.parametrize("slower", [True, False])
def test_a_claim_resent_with_another_skew_is_a_duplicate(  # noqa: PLR0913
    stream: EventStream, valkey: "redis.Redis", engine: Engine, *, batch_size: int, word: Any, slower: bool
) -> None:
    told = {"time": "2025-01-01T00:00:00Z", "id": event_id(1)}
    twice = [word(**told, sent_at="2025-01-01T00:00:10Z"), word(**told, sent_at="2025-01-01T00:00:11Z")]
    received(valkey, twice if slower else twice[::-1])
    assert drained(stream, engine, batch_size=batch_size) == {Outcome.RECORDED: 1, Outcome.DUPLICATE: 1}
    with snapshot(engine) as session:
        rows = [*session.scalars(select(Favorite)), *session.scalars(select(Preference))]
    # Whichever came first, the later time stands, give or take the millisecond between the entries.
    assert [row.said_at.replace(microsecond=0) for row in rows] == [RECEIVED - timedelta(seconds=10)]


def test_a_retry_corrects_the_time_by_the_original_entry_id(
    stream: EventStream, valkey: "redis.Redis", engine: Engine
) -> None:
    received(valkey, [lost()])
    assert drained(stream, engine, create_users=False) == {Outcome.DEAD: 1}
    (letter,) = find(engine)
    assert Desk(engine, stream).retry([letter.id], now=NOW + timedelta(days=300)) == {Outcome.RECORDED: 1}
    assert played(engine) == [(CORRECTED, TOLD)]


# Ahead of the worker's clock, which the tests have stopped, and of the clock of Redis, which goes on.
AHEAD: Final = max(NOW, datetime.now(UTC)) + 2 * HOUR


@pytest.mark.parametrize(
    "entry_id", ["7-0", entry_id_at(AHEAD), f"{2**64 - 2}-0"], ids=["long ago", "ahead", "nearly the last"]
)
def test_i47_implausible_entry_ids_correct_no_time(
    stream: EventStream, valkey: "redis.Redis", engine: Engine, entry_id: str
) -> None:
    told = datetime(2021, 4, 22, 5, 40, 53, tzinfo=UTC)
    valkey.xadd(STREAM, {FIELD: payload(play(sent_at="2021-04-22T06:00:00Z"))}, id=entry_id)
    assert drained(stream, engine) == {Outcome.RECORDED: 1}
    if entry_id != "7-0":
        # Ahead of its own clock, Redis goes on with the milliseconds of the last id.
        (next_id,) = stream.append([payload(play(song=song(title="b"), sent_at="2021-04-22T06:00:00Z"))])
        assert next_id.partition("-")[0] == entry_id.partition("-")[0]
        assert drained(stream, engine) == {Outcome.RECORDED: 1}
    assert set(played(engine)) == {(told, None)}


def test_an_uncorrectable_lost_clock_is_out_of_range(
    stream: EventStream, valkey: "redis.Redis", engine: Engine
) -> None:
    valkey.xadd(STREAM, {FIELD: payload(lost())}, id="7-0")
    valkey.xadd(STREAM, {FIELD: payload(lost(sent_at=...))})
    assert drained(stream, engine) == {Outcome.DEAD: 2}
    assert count_by_reason(engine) == {"out_of_range": 2}


def exported(engine: Engine) -> list[bytes]:
    with snapshot(engine) as session:
        return list(export_lines(session.connection(), "ada"))


def test_an_exported_corrected_row_republishes_as_a_duplicate(
    stream: EventStream, valkey: "redis.Redis", engine: Engine
) -> None:
    words = [favorite, preference]
    told = [word(time="1970-01-01T00:03:20Z", sent_at="1970-01-01T00:06:50Z") for word in words]
    received(valkey, [lost(), *told, play(song=song(title="b"))])
    drained(stream, engine)
    before = oracle.actual(engine)
    lines = exported(engine)
    events = [json.loads(line) for line in lines[1:]]
    assert [event.get("reported_at") for event in events] == ["1970-01-01T00:03:20Z"] * 2 + [
        None,
        "1970-01-01T00:03:20Z",
    ]
    assert not any("sent_at" in event for event in events)
    assert events[-1]["time"] == "2026-11-01T11:56:30Z"
    assert publish_lines(stream.append, iter(lines), now=NOW).bad == []
    assert drained(stream, engine) == {Outcome.DUPLICATE: 4}
    assert oracle.actual(engine) == before


def test_republished_events_keep_their_reported_time(stream: EventStream, engine: Engine) -> None:
    lines = [payload(play(context={"ü": 1.5}, sent_at="2021-04-22T05:44:00Z")), payload(play(user="eve"))]
    assert publish_lines(stream.append, iter(lines), now=NOW).sent == 2
    assert drained(stream, engine) == {Outcome.RECORDED: 2}
    told = datetime(2021, 4, 22, 5, 40, 53, tzinfo=UTC)
    assert played(engine) == [(told, None)] * 2


def test_a_play_of_a_lost_clock_is_recorded_at_its_real_time(
    stream: EventStream, engine: Engine, redis_url: str
) -> None:
    """From the call to the row, by the two clocks of this test: the device's, and Redis' own."""
    event, sent = checked_event(lost(sent_at=...), now=BOOT)
    sender = Sender(Producer.at(redis_url), counters=Counters(), durable=False, max_waiting=0, now=lambda: BOOT)
    began = datetime.now(UTC)
    sender.send([sent])
    ended = datetime.now(UTC)
    sender.close()
    Drain(stream, engine, "a").run()
    with snapshot(engine) as session:
        row = session.scalars(select(PlayHistory)).one()
    age = timedelta(seconds=210)
    assert str(row.id) == event
    assert began - age - timedelta(milliseconds=1) <= row.played_at <= ended - age
    assert row.reported_at == TOLD


def test_a_dropped_event_of_a_lost_clock_is_reported_by_id() -> None:
    recorder = ErrorRecorder()
    client = Client(UNREACHABLE, max_queue=1, max_waiting=0, on_error=recorder)
    client._delivery.put([encode(lost(id=event_id(number))) for number in range(3)])
    client.close(0)
    dropped = [error.event_ids for error in recorder.errors if isinstance(error, EventDroppedError)]
    assert dropped == [[event_id(1), event_id(2)], [event_id(0)]]


@pytest.mark.parametrize("batch_size", [3, 2_000])
def test_rows_of_any_clocks_equal_those_of_the_model(stream: EventStream, engine: Engine, batch_size: int) -> None:
    chance = random.Random(batch_size)
    payloads = [payload(_told_by_some_clock(number, chance)) for number in range(300)]
    entry_ids = stream.append(payloads)
    Drain(stream, engine, "a", batch_size=batch_size).run()
    oracle.check(payloads, stream, engine, entry_ids=entry_ids)
    assert sum(reported_at is not None for _, reported_at in played(engine)) > 20


def _told_by_some_clock(number: int, chance: random.Random) -> Fields:
    now = datetime.now(UTC)
    skew = chance.choice([timedelta(0), timedelta(seconds=30), HOUR, -HOUR, timedelta(days=20_000), -4_000 * HOUR])
    at = now - timedelta(seconds=chance.randrange(1, 100_000))
    word = chance.choice([play, favorite, preference])
    changes = {} if word is preference else {"song": song(title=f"song {chance.randrange(40)}")}
    sent = {"sent_at": (now - skew).isoformat()} if chance.random() < 0.8 else {}
    told: Fields = word(id=event_id(number), time=(at - skew).isoformat(), **sent, **changes)
    return told
