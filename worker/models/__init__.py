"""The tables, shared with every reader: importing them needs neither Celery nor Redis."""

from worker.models.base import Base, TimestampMixin
from worker.models.dead_letter import DeadLetter
from worker.models.favorite import Favorite
from worker.models.play import PlayHistory
from worker.models.preference import Preference
from worker.models.song import Song
from worker.models.stale_day import StaleDay
from worker.models.user import User

__all__ = [
    "Base",
    "DeadLetter",
    "Favorite",
    "PlayHistory",
    "Preference",
    "Song",
    "StaleDay",
    "TimestampMixin",
    "User",
]
