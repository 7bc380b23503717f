import logging
from collections.abc import Iterator

import pytest

from worker.keys import BOOTSTRAP_SCHEMA, RECORD_EVENTS
from worker.logs import hide_noise

NOISY = ("celery.worker.strategy", "celery.app.trace")


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in (*NOISY, "alembic")]
    before = [(list(logger.filters), logger.level) for logger in loggers]
    yield
    for logger, (filters, level) in zip(loggers, before, strict=True):
        logger.filters[:] = filters
        logger.setLevel(level)


def passes(logger_name: str, level: int, data: object) -> bool:
    """Whether a line with this `data`, as Celery gives it, gets into the log."""
    logger = logging.getLogger(logger_name)
    record = logger.makeRecord(logger_name, level, "file", 1, "Task %(name)s", (), None, extra={"data": data})
    return bool(logger.filter(record))


@pytest.mark.parametrize("name", NOISY)
def test_a_drain_that_was_received_or_succeeded_says_nothing(name: str) -> None:
    assert passes(name, logging.INFO, {"name": RECORD_EVENTS})
    hide_noise()
    assert not passes(name, logging.INFO, {"name": RECORD_EVENTS})
    assert not passes(name, logging.DEBUG, {"name": RECORD_EVENTS})


@pytest.mark.parametrize("name", NOISY)
@pytest.mark.parametrize("level", [logging.WARNING, logging.ERROR, logging.CRITICAL])
def test_a_drain_that_went_wrong_is_told(name: str, level: int) -> None:
    hide_noise()
    assert passes(name, level, {"name": RECORD_EVENTS})


@pytest.mark.parametrize("data", [{"name": BOOTSTRAP_SCHEMA}, {}, None, "worker.tasks.record_events", ["name"]])
def test_every_other_line_is_told(data: object) -> None:
    hide_noise()
    assert passes(NOISY[0], logging.INFO, data)


def test_a_line_without_data_is_told() -> None:
    hide_noise()
    logger = logging.getLogger(NOISY[1])
    assert logger.filter(logger.makeRecord(NOISY[1], logging.INFO, "file", 1, "hello", (), None))


def test_hiding_twice_hides_no_more() -> None:
    hide_noise()
    filters = [list(logging.getLogger(name).filters) for name in NOISY]
    hide_noise()
    assert [list(logging.getLogger(name).filters) for name in NOISY] == filters


def test_migrations_tell_only_their_troubles() -> None:
    hide_noise()
    assert not logging.getLogger("alembic.runtime.migration").isEnabledFor(logging.INFO)
    assert logging.getLogger("alembic.runtime.migration").isEnabledFor(logging.WARNING)
