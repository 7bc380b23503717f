"""One line for each log entry, JSON on a pipe and readable on a terminal, that never says what a user listens to.

The code logs with the standard library and passes its facts in `extra`; structlog only formats them. So a program that
imports zik's models or its client keeps the logging it has.
"""

import logging
import sys
from collections.abc import MutableMapping
from functools import cached_property
from typing import Any, TextIO

from worker.escaping import printable

_Entry = MutableMapping[str, Any]


def set_up_logs(level: int = logging.WARNING) -> None:
    """Log to standard error, for a command of zik's. Celery sets up its own handlers; see `write_lines`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LateFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def write_lines(logger: logging.Logger) -> None:
    """Let this logger's handlers write zik's lines."""
    for handler in logger.handlers:
        handler.setFormatter(_formatter(getattr(handler, "stream", None)))


class _LateFormatter(logging.Formatter):
    """Imports structlog at the first entry: most commands log nothing, and would wait for it longer than they run."""

    def format(self, record: logging.LogRecord) -> str:
        return self._formatter.format(record)

    @cached_property
    def _formatter(self) -> logging.Formatter:
        return _formatter(sys.stderr)


def _formatter(file: TextIO | None) -> logging.Formatter:
    import structlog  # noqa: PLC0415 -- see _LateFormatter

    is_terminal = file is not None and file.isatty()
    renderer = (
        [_on_one_line, structlog.dev.ConsoleRenderer(pad_event_to=0, sort_keys=False)]
        if is_terminal
        # Escapes everything that is not ASCII, and so everything that could split or forge a line.
        else [structlog.processors.JSONRenderer(ensure_ascii=True, default=str)]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            _in_reading_order,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            # As text, before a renderer shows the variables of its frames: they hold what users listen to.
            structlog.processors.format_exc_info,
            _without_arguments,
            _with_process,
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
    )


def _in_reading_order(logger: object, method: str, entry: _Entry) -> _Entry:
    """Put time and level first, then the message."""
    del logger, method
    return {"timestamp": None, "level": None, **entry}


def _without_arguments(logger: object, method: str, entry: _Entry) -> _Entry:
    """Keep name and id of what Celery passes of a task, and drop its arguments and result."""
    del logger, method
    task = entry.pop("data", None)
    if isinstance(task, dict):
        entry["task"], entry["task_id"] = str(task.get("name")), str(task.get("id"))
    return entry


def _with_process(logger: object, method: str, entry: _Entry) -> _Entry:
    del logger, method
    entry["pid"] = entry["_record"].process
    return entry


def _on_one_line(logger: object, method: str, entry: _Entry) -> _Entry:
    """Escape what would steer the terminal, or begin a line that looks like another entry."""
    del logger, method
    trace = entry.pop("exception", "")
    shown: _Entry = {name: printable(value) if isinstance(value, str) else value for name, value in entry.items()}
    if trace:
        shown["exception"] = "\n".join(f"    {printable(line)}" for line in trace.split("\n"))
    return shown
