"""Test a player without Redis: a client that keeps in memory what it sends."""

from worker.testing import AsyncMemoryClient, MemoryClient, MemoryTransport

__all__ = ["AsyncMemoryClient", "MemoryClient", "MemoryTransport"]
