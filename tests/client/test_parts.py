"""The parts of a client in isolation: the queue, the flush signal, the pump, the sender, the options."""

import threading
import time

import pytest

from worker.client import Client
from worker.client.pump import FlushSignal, Pump
from worker.client.queue import MemoryQueue
from worker.client.reporting import Counters, ErrorReporter
from worker.client.sender import Sender
from worker.errors import StreamUnavailableError
from worker.stream.transport import Appended

TIMEOUT_S = 30.0


def test_peeked_events_stay_until_discarded() -> None:
    memory = MemoryQueue(10)
    for payload in (b"1", b"2", b"3"):
        memory.put(payload)
    batch = memory.peek(2)
    assert batch is not None
    assert (batch.payloads, memory.peek(2)) == ([b"1", b"2"], batch)
    memory.put(b"4")
    memory.discard(batch)
    rest = memory.peek(9)
    assert rest is not None
    assert (rest.payloads, memory.is_discarded(2), memory.is_discarded(3), memory.last_number()) == (
        [b"3", b"4"],
        True,
        False,
        4,
    )


def test_discarding_a_batch_twice_removes_it_once() -> None:
    memory = MemoryQueue(10)
    memory.put(b"1")
    memory.put(b"2")
    batch = memory.peek(1)
    assert batch is not None
    memory.discard(batch)
    memory.discard(batch)
    assert memory.count() == 1


def test_a_shut_memory_queue_accepts_no_event() -> None:
    memory = MemoryQueue(10)
    memory.put(b"1")
    batch = memory.peek(1)
    assert batch is not None
    assert memory.close() == [b"1"]
    assert not memory.put(b"2")
    # A thread that hung may return later with its batch.
    memory.discard(batch)
    assert (memory.count(), memory.last_number()) == (0, 1)


def test_a_flush_signal_rings_once_flush_at_events_wait() -> None:
    flush_signal = FlushSignal(flush_at=2, flush_interval_s=TIMEOUT_S)
    waiting = threading.Thread(target=flush_signal.wait)
    waiting.start()
    flush_signal.notify(1)
    waiting.join(0.2)
    assert waiting.is_alive()
    flush_signal.notify(2)
    waiting.join(TIMEOUT_S)
    assert not waiting.is_alive()


def test_new_events_do_not_shorten_the_pause_after_a_fault() -> None:
    flush_signal = FlushSignal(flush_at=1, flush_interval_s=0)
    pausing = threading.Thread(target=flush_signal.pause, args=[TIMEOUT_S])
    pausing.start()
    flush_signal.notify(1_000)
    pausing.join(0.2)
    assert pausing.is_alive()
    flush_signal.hurry()
    pausing.join(TIMEOUT_S)
    assert not pausing.is_alive()


def test_a_defect_does_not_end_the_pump() -> None:
    memory = MemoryQueue(10)
    memory.put(b"1")
    delivered: list[list[bytes]] = []
    errors: list[Exception] = []

    def deliver(payloads: list[bytes]) -> None:
        if not errors:
            raise ZeroDivisionError
        delivered.append(payloads)

    pump = Pump(
        memory, deliver, flush_signal=FlushSignal(flush_at=1, flush_interval_s=0), reporter=ErrorReporter(errors.append)
    )
    thread = threading.Thread(target=pump.run)
    thread.start()
    pump.flush_signal.notify(1)
    # Waiting also ends the pause after the fault.
    assert pump.wait_delivered(1, deadline=time.monotonic() + TIMEOUT_S)
    pump.stop()
    thread.join(TIMEOUT_S)
    assert (delivered, [type(error) for error in errors]) == ([[b"1"]], [ZeroDivisionError])


class _RecordedPauses(FlushSignal):
    def __init__(self) -> None:
        super().__init__(flush_at=1, flush_interval_s=0)
        self.seconds: list[float] = []

    def pause(self, seconds: float) -> None:
        self.seconds.append(seconds)


def pump_past(faults: list[Exception], *, events: int) -> tuple[list[int], list[float]]:
    """The size of each batch, and the pauses, of a pump whose first deliveries meet these faults."""
    memory, pauses, sizes = MemoryQueue(events), _RecordedPauses(), list[int]()
    for number in range(events):
        memory.put(str(number).encode())

    def deliver(payloads: list[bytes]) -> None:
        sizes.append(len(payloads))
        if faults:
            raise faults.pop(0)

    pump = Pump(memory, deliver, flush_signal=pauses, reporter=ErrorReporter(lambda _: None))
    thread = threading.Thread(target=pump.run)
    thread.start()
    pauses.notify(events)
    assert pump.wait_delivered(events, deadline=time.monotonic() + TIMEOUT_S)
    pump.stop()
    thread.join(TIMEOUT_S)
    return sizes, pauses.seconds


def test_a_pump_tries_less_at_once_after_a_fault_and_more_after_a_success() -> None:
    sizes, _ = pump_past([StreamUnavailableError("timed out")] * 3, events=2_000)
    assert sizes == [500, 250, 125, 62, 124, 248, 496, 500, 500, 70]


def test_a_pump_tries_at_least_one_event() -> None:
    sizes, _ = pump_past([StreamUnavailableError("away")] * 20, events=3)
    assert sizes == [3] * 8 + [1] * 13 + [2]


def test_a_pump_leaves_a_server_alone_for_as_long_as_it_asks() -> None:
    faults = [StreamUnavailableError("busy", retry_after_s=seconds) for seconds in (30.0, 0.0, 86_400.0)]
    _, pauses = pump_past([*faults, ZeroDivisionError()], events=1)
    asked = [30.0, 0.0, 60.0, 0.0]
    assert all(seconds <= pause <= seconds + 5 for seconds, pause in zip(asked, pauses, strict=True))


class _UnreliableTransport:
    """Fails at every other attempt, beginning with the first."""

    def __init__(self) -> None:
        self._attempts = 0

    def append(self, payloads: object, *, durable: bool = False, counted: bool = False) -> Appended:  # noqa: ARG002
        self._attempts += 1
        if self._attempts % 2:
            raise StreamUnavailableError("away")
        return Appended([], None)

    def waiting(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing to close."""


def test_only_acknowledged_events_count_as_sent() -> None:
    counters = Counters()
    sender = Sender(_UnreliableTransport(), counters=counters, durable=False, max_waiting=0)
    with pytest.raises(StreamUnavailableError):
        sender.send([b"1", b"2"])
    assert counters == Counters()
    sender.send([b"1", b"2"])
    assert counters == Counters(sent=2, retried=2)


@pytest.mark.parametrize(
    ("option", "value"), [("max_queue", 0), ("flush_at", 0), ("flush_interval_s", -1), ("max_waiting", -1)]
)
def test_an_invalid_option_is_named(option: str, value: int) -> None:
    with pytest.raises(ValueError, match=option):
        Client("redis://127.0.0.1:1/0", **{option: value})  # type: ignore[arg-type]  # One at a time.
