"""Batched writes, one file for each kind of row. Recorders take a connection and never commit."""

from worker.recorders.batch import Recorded, record_batch, resolve_new
from worker.recorders.known import Known

__all__ = ["Known", "Recorded", "record_batch", "resolve_new"]
