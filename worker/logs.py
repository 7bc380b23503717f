"""The log: JSON on a pipe, readable on a terminal, one line an entry, and never what somebody listens to.

The code logs with the standard library, and says what it knows in `extra`; structlog only writes it down. So a program
that imports zik's models or its client keeps the logging it has.
"""

import logging
import sys
import time
from collections.abc import Callable
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor

from worker.escaping import printable
from worker.keys import RECORD_EVENTS

_TASK_LOGGERS: Final = ("celery.worker.strategy", "celery.app.trace")
_SAME_FAILURE_S: Final = 60.0


def set_up_logs(level: int = logging.WARNING) -> None:
    """Log to standard error, for a command of zik's. Celery sets up its own handlers; see `write_lines`."""
    handler = logging.StreamHandler(sys.stderr)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    write_lines(logging.getLogger())
    hide_noise()


def write_lines(logger: logging.Logger) -> None:
    """Let the handlers that this logger has write zik's lines."""
    for handler in logger.handlers:
        handler.setFormatter(_formatter(getattr(handler, "stream", None)))


def _formatter(file: TextIO | None) -> logging.Formatter:
    is_terminal = file is not None and file.isatty()
    renderer: list[Processor] = (
        [_on_one_line, structlog.dev.ConsoleRenderer(pad_event_to=0, sort_keys=False)]
        if is_terminal
        # Whatever is not ASCII is escaped, and with it all that could split or forge a line.
        else [structlog.processors.JSONRenderer(ensure_ascii=True, default=str)]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            _in_reading_order,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            # As text, before a renderer could show the variables of its frames, which are what people listen to.
            structlog.processors.format_exc_info,
            _without_arguments,
            _with_process,
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
    )


def _in_reading_order(logger: object, method: str, event: EventDict) -> EventDict:
    """When and how grave first, then what."""
    del logger, method
    return {"timestamp": None, "level": None, **event}


def _without_arguments(logger: object, method: str, event: EventDict) -> EventDict:
    """Of what Celery knows of a task, its name and id; arguments and results are not for the log."""
    del logger, method
    task = event.pop("data", None)
    if isinstance(task, dict):
        event["task"], event["task_id"] = str(task.get("name")), str(task.get("id"))
    return event


def _with_process(logger: object, method: str, event: EventDict) -> EventDict:
    del logger, method
    event["pid"] = event["_record"].process
    return event


def _on_one_line(logger: object, method: str, event: EventDict) -> EventDict:
    """Nothing in an entry may steer the terminal, or begin a line that looks like another entry."""
    del logger, method
    trace = event.pop("exception", "")
    shown: EventDict = {name: printable(value) if isinstance(value, str) else value for name, value in event.items()}
    if trace:
        shown["exception"] = "\n".join(f"    {printable(line)}" for line in trace.split("\n"))
    return shown


class _NoRings(logging.Filter):
    """Drops Celery's lines on drains that were received and that succeeded: two a second from every idle worker.

    What a drain does, its batches say; that one failed, Celery still says.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not (_task_of(record) == RECORD_EVENTS and record.levelno <= logging.INFO)


class _SameFailure(logging.Filter):
    """Tells the same failure of the same task once a minute, with the number of those that it kept back.

    A drain is asked for every second, so a fault that stays would fill the log with its traceback.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._told: dict[tuple[str | None, Any], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.ERROR or not record.exc_info:
            return True
        key, now = (_task_of(record), record.exc_info[0]), self._monotonic()
        told_at, kept_back = self._told.get(key, (float("-inf"), 0))
        if now - told_at < _SAME_FAILURE_S:
            self._told[key] = (told_at, kept_back + 1)
            return False
        self._told[key] = (now, 0)
        record.kept_back = kept_back
        return True


def _task_of(record: logging.LogRecord) -> str | None:
    task = getattr(record, "data", None)
    return task.get("name") if isinstance(task, dict) else None


def hide_noise() -> None:
    """Keep the log to what an operator wants to know. Call it after Celery has set up its logging."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    for name in _TASK_LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, _NoRings) for known in logger.filters):
            logger.addFilter(_NoRings())
            logger.addFilter(_SameFailure())
