"""Check zik's dependencies and suggest fixes."""

from collections.abc import Iterator

from sqlalchemy import Engine

from worker.operations.doctor.database import database_findings
from worker.operations.doctor.finding import Finding
from worker.operations.doctor.redis import redis_findings
from worker.stream.consumer import EventStream

__all__ = ["Finding", "examine"]


def examine(stream: EventStream, engine: Engine) -> Iterator[Finding]:
    """Check Redis, the workers, the database and the clock. A server out of reach is a finding, not an error."""
    yield from redis_findings(stream)
    yield from database_findings(engine)
