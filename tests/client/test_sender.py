"""Each try is stamped with the device's clock, and the stamp makes no event too large."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic_core import from_json

from tests.support.events import NOW, favorite, play, preference
from worker.client.events import checked_event
from worker.client.reporting import Counters
from worker.client.sender import Sender, stamped
from worker.contract.codec import decode, encode
from worker.contract.events import MAX_EVENT_BYTES
from worker.errors import InvalidEventError, Reason, StreamUnavailableError
from worker.stream.transport import Appended
from worker.testing import MemoryClient

BOOT = datetime(1970, 1, 1, 0, 3, 20, tzinfo=UTC)


class _FailingTransport:
    """Records what each try sent, and fails while `is_away`."""

    def __init__(self) -> None:
        self.tries: list[list[dict[str, Any]]] = []
        self.is_away = True

    def append(self, payloads: Iterable[bytes], *, durable: bool = False, counted: bool = False) -> Appended:  # noqa: ARG002
        self.tries.append([from_json(payload) for payload in payloads])
        if self.is_away:
            raise StreamUnavailableError("away")
        return Appended([], None)

    def waiting(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing to close."""


def clock() -> Iterator[datetime]:
    at = NOW
    while True:
        yield at
        at += timedelta(hours=1)


def test_each_attempt_gives_its_whole_batch_one_new_sent_at() -> None:
    transport, ticks = _FailingTransport(), clock()
    sender = Sender(transport, counters=Counters(), durable=False, max_waiting=0, now=lambda: next(ticks))
    batch = [encode(play()), encode(favorite()), encode(preference())]
    with pytest.raises(StreamUnavailableError):
        sender.send(batch)
    transport.is_away = False
    sender.send(batch)
    stamps = [[event.pop("sent_at") for event in sent] for sent in transport.tries]
    assert stamps == [["2026-11-23T12:00:00.000Z"] * 3, ["2026-11-23T13:00:00.000Z"] * 3]
    assert transport.tries == [[play(), favorite(), preference()]] * 2


def test_sent_at_is_utc_in_any_timezone() -> None:
    (payload,) = stamped([b'{"a":1}'], at=datetime(2026, 11, 23, 1, 2, 3, 456_789, tzinfo=timezone(timedelta(hours=2))))
    assert payload == b'{"a":1,"sent_at":"2026-11-22T23:02:03.456Z"}'


def sized(size: int) -> bytes:
    """A valid event of this many bytes."""
    fields = preference(value="")
    return encode(fields | {"value": "x" * (size - len(encode(fields)))})


STAMP = len(',"sent_at":"2026-11-23T12:00:00.000Z"')


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        (1_000, 1_000 + STAMP),
        (MAX_EVENT_BYTES - STAMP, MAX_EVENT_BYTES),
        (MAX_EVENT_BYTES - STAMP + 1, MAX_EVENT_BYTES - STAMP + 1),
        (MAX_EVENT_BYTES, MAX_EVENT_BYTES),
    ],
)
def test_sent_at_makes_no_event_too_large(size: int, sent: int) -> None:
    (payload,) = stamped([sized(size)], at=NOW)
    assert len(payload) == sent
    assert decode(payload, now=NOW).type == "preference"


def test_a_client_replaces_a_given_sent_at_with_its_own() -> None:
    client = MemoryClient()
    began = datetime.now(UTC)
    client.publish(play(sent_at="2020-01-01T00:00:00Z"))
    client.publish(play(sent_at="nonsense"))
    ended = datetime.now(UTC)
    assert client.events == [play(), play()]
    for payload in client.transport.payloads:
        # The stamp is cut to milliseconds.
        assert began - timedelta(milliseconds=1) <= datetime.fromisoformat(json.loads(payload)["sent_at"]) <= ended
        assert payload.count(b"sent_at") == 1


def test_a_device_that_has_lost_its_clock_may_publish() -> None:
    fields = play(time=(BOOT - timedelta(seconds=10)).isoformat())
    event_id, payload = checked_event(fields, now=BOOT)
    (sent,) = stamped([payload], at=BOOT)
    received = decode(sent, now=NOW, entry_id=f"{round(NOW.timestamp() * 1000)}-0")
    assert (received.id, received.time.at) == (event_id, NOW - timedelta(seconds=10))


@pytest.mark.parametrize("now", [NOW, BOOT])
def test_a_time_the_devices_own_clock_contradicts_is_refused(now: datetime) -> None:
    wrong = {NOW: "2001-12-31T23:59:59Z", BOOT: "2026-11-23T12:00:00Z"}
    with pytest.raises(InvalidEventError) as caught:
        checked_event(play(time=wrong[now]), now=now)
    assert caught.value.reason is Reason.OUT_OF_RANGE
