"""The tables, shared with every reader: importing them needs neither Celery nor Redis."""

from worker.models import triggers  # noqa: F401 -- its triggers belong to the tables
from worker.models.base import Base, TimestampMixin
from worker.models.dead_letter import DeadLetter
from worker.models.favorite import Favorite
from worker.models.play import PlayHistory
from worker.models.preference import Preference
from worker.models.rollups import ChartPlace, ListeningHour, SongDay
from worker.models.song import Song
from worker.models.stale_marks import StaleChart, StaleDay, StaleHistory
from worker.models.user import User

__all__ = [
    "Base",
    "ChartPlace",
    "DeadLetter",
    "Favorite",
    "ListeningHour",
    "PlayHistory",
    "Preference",
    "Song",
    "SongDay",
    "StaleChart",
    "StaleDay",
    "StaleHistory",
    "TimestampMixin",
    "User",
]
