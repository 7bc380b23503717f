import io
import json
import logging
import sys
from typing import Any

import pytest
import redis
from celery.beat import ScheduleEntry, Scheduler
from celery.schedules import schedule

from worker.celery.application import app
from worker.celery.log_filters import _LimitSameFailure, hide_noise
from worker.celery.names import BOOTSTRAP_SCHEMA, RECORD_EVENTS
from worker.logs import write_lines

NOISY = ("celery.worker.strategy", "celery.app.trace")


def passes(logger_name: str, level: int, data: object) -> bool:
    """Whether a line with this `data`, as Celery gives it, gets into the log."""
    logger = logging.getLogger(logger_name)
    record = logger.makeRecord(logger_name, level, "file", 1, "Task %(name)s", (), None, extra={"data": data})
    return bool(logger.filter(record))


@pytest.mark.parametrize("name", NOISY)
def test_a_received_or_successful_drain_is_not_logged(name: str) -> None:
    assert passes(name, logging.INFO, {"name": RECORD_EVENTS})
    hide_noise()
    assert not passes(name, logging.INFO, {"name": RECORD_EVENTS})
    assert not passes(name, logging.DEBUG, {"name": RECORD_EVENTS})


@pytest.mark.parametrize("name", NOISY)
@pytest.mark.parametrize("level", [logging.WARNING, logging.ERROR, logging.CRITICAL])
def test_a_failed_drain_is_logged(name: str, level: int) -> None:
    hide_noise()
    assert passes(name, level, {"name": RECORD_EVENTS})


@pytest.mark.parametrize("data", [{"name": BOOTSTRAP_SCHEMA}, {}, None, "worker.tasks.record_events", ["name"]])
def test_every_other_line_is_logged(data: object) -> None:
    hide_noise()
    assert passes(NOISY[0], logging.INFO, data)


def test_a_line_without_data_is_logged() -> None:
    hide_noise()
    logger = logging.getLogger(NOISY[1])
    assert logger.filter(logger.makeRecord(NOISY[1], logging.INFO, "file", 1, "hello", (), None))


def test_hiding_noise_twice_adds_no_filter() -> None:
    hide_noise()
    filters = [list(logging.getLogger(name).filters) for name in NOISY]
    hide_noise()
    assert [list(logging.getLogger(name).filters) for name in NOISY] == filters


def test_s10_a_task_that_beat_cannot_send_is_one_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise redis.exceptions.NoPermissionError("User worker has no permissions to run the 'lpush' command")

    logger, file = logging.getLogger("celery.beat"), io.StringIO()
    monkeypatch.setattr(logger, "filters", [])
    monkeypatch.setattr(logger, "handlers", [logging.StreamHandler(file)])
    write_lines(logger)
    hide_noise()
    monkeypatch.setattr(app, "send_task", refuse)
    scheduler = Scheduler(app, lazy=True)
    entry = ScheduleEntry("a task", "a.task", schedule=schedule(1), app=app)
    scheduler.apply_entry(entry)
    scheduler.apply_entry(entry)
    line = json.loads(file.getvalue())
    assert line["event"].startswith("beat cannot send a task: Redis refuses the command: ")
    assert "'lpush'" in line["event"]
    assert "docs/redis.acl" in line["event"]
    assert "exception" not in line


def test_migrations_log_only_warnings() -> None:
    hide_noise()
    assert not logging.getLogger("alembic.runtime.migration").isEnabledFor(logging.INFO)
    assert logging.getLogger("alembic.runtime.migration").isEnabledFor(logging.WARNING)


# --- how a line is written -----------------------------------------------------------------------

HOSTILE = "a\r\n[2026-11-23 12:00:00] FORGED line\x1b[31m\u2028\u0085\x0b"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(file: io.StringIO, record: logging.LogRecord) -> str:
    logger = logging.getLogger("a test's own")
    logger.handlers.clear()
    logger.propagate = False
    logger.addHandler(logging.StreamHandler(file))
    write_lines(logger)
    logger.handle(record)
    return file.getvalue()


def record_of(message: str, *args: object, **more: Any) -> logging.LogRecord:
    logger = logging.getLogger("worker.test")
    exc_info = more.pop("exc_info", None)
    return logger.makeRecord("worker.test", logging.WARNING, "file", 1, message, args, exc_info, extra=more)


CANARY = "canary"


def fail(text: str, listener: str) -> None:
    del listener
    raise ValueError(text)


def raised(text: str) -> Any:
    try:
        fail(text, CANARY)
    except ValueError:
        return sys.exc_info()


def test_a_pipe_gets_one_json_object_a_line() -> None:
    line = written(io.StringIO(), record_of("batch of %d", 3, recorded=2, first_entry="1-0"))
    assert line.count("\n") == 1
    entry = json.loads(line)
    assert (entry["event"], entry["recorded"], entry["first_entry"]) == ("batch of 3", 2, "1-0")
    assert (entry["level"], entry["logger"]) == ("warning", "worker.test")
    assert entry["timestamp"].endswith("Z")


def test_a_terminal_gets_no_json() -> None:
    line = written(Terminal(), record_of("batch", recorded=2))
    assert "batch" in line
    assert "recorded" in line
    with pytest.raises(json.JSONDecodeError):
        json.loads(line)


@pytest.mark.parametrize("file", [io.StringIO, Terminal])
def test_i26_hostile_text_stays_on_its_line_and_is_escaped(file: type[io.StringIO]) -> None:
    line = written(file(), record_of("%s", HOSTILE, song=HOSTILE))
    assert len(line.splitlines()) == 1
    assert "\x1b[31m\u2028" not in line
    assert not line.startswith("[")


@pytest.mark.parametrize("file", [io.StringIO, Terminal])
def test_i26_an_exception_cannot_begin_a_new_log_line(file: type[io.StringIO]) -> None:
    lines = written(file(), record_of("failed", exc_info=raised(HOSTILE))).splitlines()
    assert "ValueError" in "".join(lines)
    assert [line for line in lines[1:] if not line.startswith("    ")] == []


@pytest.mark.parametrize("file", [io.StringIO, Terminal])
def test_a_traceback_shows_no_variables(file: type[io.StringIO]) -> None:
    line = written(file(), record_of("failed", exc_info=raised("x")))
    assert "ValueError" in line
    assert CANARY not in line


def test_a_task_is_logged_without_its_arguments() -> None:
    data = {"name": RECORD_EVENTS, "id": "1-2-3", "args": "canary", "kwargs": "canary", "return_value": "canary"}
    line = written(io.StringIO(), record_of("Task %(name)s", data, data=data))
    assert json.loads(line)["task_id"] == "1-2-3"
    assert CANARY not in line


def test_a_repeated_failure_is_logged_once_a_minute_with_a_count() -> None:
    now = [0.0]
    same = _LimitSameFailure(monotonic=lambda: now[0])
    logged = []
    for second in range(121):
        now[0] = float(second)
        record = record_of("Task failed", exc_info=raised("x"), data={"name": RECORD_EVENTS})
        record.levelno = logging.ERROR
        if same.filter(record):
            logged.append((second, vars(record)["kept_back"]))
    assert logged == [(0, 0), (60, 59), (120, 59)]


def test_another_failure_is_logged_at_once() -> None:
    same = _LimitSameFailure(monotonic=lambda: 0.0)
    for name in (RECORD_EVENTS, BOOTSTRAP_SCHEMA):
        record = record_of("Task failed", exc_info=raised("x"), data={"name": name})
        record.levelno = logging.ERROR
        assert same.filter(record)
