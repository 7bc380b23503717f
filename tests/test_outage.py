import logging
from collections.abc import Callable

import pytest

from worker.errors import (
    DatabaseMisusedError,
    DatabaseUnavailableError,
    RowRefusedError,
    StreamMisusedError,
    StreamUnavailableError,
    ZikError,
)
from worker.outage import OutageRetry

WINDOW_S = 20.0


class Work:
    """Raises the given errors in turn, and then works."""

    def __init__(self, *troubles: Exception) -> None:
        self.troubles = list(troubles)
        self.attempts = 0

    def __call__(self) -> str:
        self.attempts += 1
        if self.troubles:
            raise self.troubles.pop(0)
        return "done"


def away() -> str:
    raise DatabaseUnavailableError("the database is away")


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def patience(pauses: list[float]) -> OutageRetry:
    # Time passes only by sleeping.
    return OutageRetry(sleep=pauses.append, monotonic=lambda: sum(pauses))


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[tuple[str, str]]]:
    caplog.set_level(logging.INFO, logger="worker.outage")
    return lambda: [(record.levelname, record.getMessage()) for record in caplog.records]


def test_successful_work_is_done_once_and_logs_nothing(
    patience: OutageRetry, pauses: list[float], lines: Callable[[], list[tuple[str, str]]]
) -> None:
    work = Work()
    assert patience.attempt(work, within_s=10) == "done"
    assert (work.attempts, pauses, lines()) == (1, [], [])


@pytest.mark.parametrize("trouble", [DatabaseUnavailableError, StreamUnavailableError])
def test_work_is_retried_until_an_outage_ends(
    patience: OutageRetry, pauses: list[float], trouble: type[ZikError]
) -> None:
    work = Work(trouble("away"), trouble("away"))
    assert patience.attempt(work, within_s=10) == "done"
    assert work.attempts == 3
    assert len(pauses) == 2


def test_pauses_grow_up_to_a_bound_and_are_jittered(patience: OutageRetry, pauses: list[float]) -> None:
    patience.attempt(Work(*[DatabaseUnavailableError("away")] * 12), within_s=1_000)
    assert 0.1 <= pauses[0] <= 0.6
    assert pauses[0] < 1.6 <= pauses[5]
    assert max(pauses) <= 5.5
    assert len(set(pauses)) > 6


def test_after_its_window_it_gives_up_without_an_exception(patience: OutageRetry, pauses: list[float]) -> None:
    assert patience.attempt(away, within_s=WINDOW_S) is None
    assert sum(pauses[:-1]) < WINDOW_S <= sum(pauses)


def test_an_outage_longer_than_the_window_is_logged(
    patience: OutageRetry, pauses: list[float], lines: Callable[[], list[tuple[str, str]]]
) -> None:
    assert patience.attempt(away, within_s=0) is None
    assert pauses == []
    assert [level for level, _ in lines()] == ["WARNING"]


def test_a_long_outage_logs_its_start_and_its_end_once(
    patience: OutageRetry, lines: Callable[[], list[tuple[str, str]]]
) -> None:
    for _ in range(3):
        patience.attempt(away, within_s=WINDOW_S)
    patience.attempt(Work(DatabaseUnavailableError("the database is away")), within_s=10)
    patience.attempt(Work(), within_s=10)
    (first, second) = lines()
    assert first == ("WARNING", "the database is away. Events stay in the stream; work resumes by itself")
    assert second[0] == "INFO"
    assert second[1].startswith("recovered after")
    assert int(second[1].removesuffix(" failures").rpartition(" ")[2]) > 3


def test_the_next_outage_is_logged_again(patience: OutageRetry, lines: Callable[[], list[tuple[str, str]]]) -> None:
    for _ in range(2):
        patience.attempt(Work(StreamUnavailableError("Redis is away")), within_s=10)
    assert [level for level, _ in lines()] == ["WARNING", "INFO", "WARNING", "INFO"]


@pytest.mark.parametrize("trouble", [DatabaseMisusedError, StreamMisusedError])
def test_an_operator_error_is_not_retried(
    patience: OutageRetry, pauses: list[float], lines: Callable[[], list[tuple[str, str]]], trouble: type[ZikError]
) -> None:
    work = Work(trouble("run `zik init`"))
    assert patience.attempt(work, within_s=10) is None
    assert (work.attempts, pauses) == (1, [])
    assert [level for level, _ in lines()] == ["ERROR"]


def test_an_operator_error_is_logged_once_until_it_is_fixed(
    patience: OutageRetry, lines: Callable[[], list[tuple[str, str]]]
) -> None:
    for _ in range(3):
        patience.attempt(Work(DatabaseMisusedError("run `zik init`")), within_s=10)
    patience.attempt(Work(), within_s=10)
    assert [level for level, _ in lines()] == ["ERROR", "INFO"]


@pytest.mark.parametrize("trouble", [RowRefusedError("a row"), ValueError("a bug"), KeyboardInterrupt()])
def test_any_other_exception_passes_through_at_once(patience: OutageRetry, trouble: BaseException) -> None:
    attempts = []

    def work() -> None:
        attempts.append(1)
        raise trouble

    with pytest.raises(type(trouble)):
        patience.attempt(work, within_s=10)
    assert attempts == [1]
