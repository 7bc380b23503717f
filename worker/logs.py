"""The log: JSON on a pipe, readable on a terminal, one line an entry, and never what somebody listens to.

The code logs with the standard library, and says what it knows in `extra`; structlog only writes it down. So a program
that imports zik's models or its client keeps the logging it has.
"""

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor

from worker.escaping import printable


def set_up_logs(level: int = logging.WARNING) -> None:
    """Log to standard error, for a command of zik's. Celery sets up its own handlers; see `write_lines`."""
    handler = logging.StreamHandler(sys.stderr)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    write_lines(logging.getLogger())


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
