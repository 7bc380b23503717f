"""All that knows Celery: the application, what it adds to a worker, and how a pool process keeps its drain."""

from worker.celery.application import app

__all__ = ["app"]
