"""Everything that knows Celery. docs/celery.md says why each piece exists, and what upstream change would remove it."""

from worker.celery.application import app

__all__ = ["app"]
