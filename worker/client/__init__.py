"""Publish events from Python: the player's side. Needs neither Celery nor SQLAlchemy."""

from worker.client.async_client import AsyncClient
from worker.client.client import Client
from worker.client.reporting import Counters

__all__ = ["AsyncClient", "Client", "Counters"]
