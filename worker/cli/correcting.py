"""Open the database for a correction, and let open pages know of it afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from worker.contract.identity import typed_user
from worker.database.engine import opened_engine
from worker.operations.changes import announce_changed
from worker.settings import load_settings
from worker.stream.inspection import StreamInspector


@contextmanager
def correcting(user: str | None) -> Iterator[Engine]:
    """For a correction of a user's plays, or of songs, which are everyone's.

    It is announced after a failure too, because a part may have been committed.
    """
    settings = load_settings()
    with opened_engine(settings.database_url) as engine:
        try:
            yield engine
        finally:
            with StreamInspector.opened(settings.redis_url) as stream:
                announce_changed(stream, None if user is None else [typed_user(user)])
