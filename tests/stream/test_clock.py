"""The clock of Redis, against a worker's clock that is wrong, is set, or stops."""

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from tests.support.stream_in_memory import Clock
from worker.errors import WorkerUnfitError
from worker.stream.clock import MAX_SKEW, StreamClock
from worker.stream.inspection import StreamInspector

START = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Machine:
    """A worker with a clock beside a Redis with another one; time goes on by `wait`."""

    def __init__(self, skew: timedelta = timedelta(0)) -> None:
        self.theirs, self.ours = START, START + skew
        self.monotonic = Clock()
        self.asked = 0
        self.clock = StreamClock(cast(StreamInspector, self), now=lambda: self.ours, monotonic=self.monotonic)

    def now(self) -> datetime:
        self.asked += 1
        return self.theirs

    def wait(self, seconds: float, *, asleep: bool = False) -> None:
        self.theirs += timedelta(seconds=seconds)
        self.ours += timedelta(seconds=seconds)
        self.monotonic.now_s += 0 if asleep else seconds


@pytest.mark.parametrize("skew", [timedelta(0), timedelta(minutes=4), -timedelta(minutes=4), MAX_SKEW])
def test_within_some_minutes_the_time_is_that_of_redis(skew: timedelta) -> None:
    machine = Machine(skew)
    machine.clock.check()
    machine.wait(7)
    assert machine.clock.now() == START + timedelta(seconds=7)
    assert machine.asked == 1


@pytest.mark.parametrize(
    ("skew", "text"),
    [
        (timedelta(days=-30), "about 30 days behind"),
        (timedelta(hours=-2), "about 2 hours behind"),
        (timedelta(days=2), "about 2 days ahead of"),
        (timedelta(minutes=6), "about 6 minutes ahead of"),
    ],
)
def test_s3_a_wrong_clock_is_named(skew: timedelta, text: str) -> None:
    with pytest.raises(WorkerUnfitError, match=f"clock is {text} the clock of Redis"):
        Machine(skew).clock.check()


def test_s3_one_wrong_clock_has_one_text() -> None:
    texts = set()
    for second in range(20):
        with pytest.raises(WorkerUnfitError) as caught:
            Machine(timedelta(hours=-3, seconds=second)).clock.now()
        texts.add(str(caught.value))
    assert len(texts) == 1


def test_s3_a_clock_that_is_set_meanwhile_is_noticed() -> None:
    machine = Machine()
    machine.clock.check()
    machine.ours -= timedelta(days=30)
    with pytest.raises(WorkerUnfitError):
        machine.clock.now()


def test_after_a_sleep_redis_is_asked_again() -> None:
    machine = Machine()
    machine.clock.check()
    machine.wait(8 * 3600, asleep=True)
    assert machine.clock.now() == START + timedelta(hours=8)
