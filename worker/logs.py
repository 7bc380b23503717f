"""What does not belong in the log."""

import logging

from worker.keys import RECORD_EVENTS


class _NoRings(logging.Filter):
    """Drops Celery's lines on drains that were received and that succeeded: two a second from every idle worker.

    What a drain does, its batches say; that one failed, Celery still says.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        task = getattr(record, "data", None)
        name = task.get("name") if isinstance(task, dict) else None
        return not (name == RECORD_EVENTS and record.levelno <= logging.INFO)


def hide_noise() -> None:
    """Keep the log to what an operator wants to know. Call it after Celery has set up its logging."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logger = logging.getLogger(name)
        if not any(isinstance(known, _NoRings) for known in logger.filters):
            logger.addFilter(_NoRings())
