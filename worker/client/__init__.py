"""Publish events from a player: validated in the call, delivered by threads. Needs neither Celery nor SQLAlchemy."""

from worker.client.async_client import AsyncClient
from worker.client.client import Client
from worker.client.reporting import Counters
from worker.stream.transport import Appended, Transport

__all__ = ["Appended", "AsyncClient", "Client", "Counters", "Transport"]
