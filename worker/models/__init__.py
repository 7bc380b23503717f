"""The tables, shared with every reader: importing them needs neither Celery nor Redis."""

from worker.models import corrections  # noqa: F401 -- its triggers belong to the tables
from worker.models.base import Base, TimestampMixin
from worker.models.chart_place import ChartPlace
from worker.models.dead_letter import DeadLetter
from worker.models.favorite import Favorite
from worker.models.listening_hour import ListeningHour
from worker.models.play import PlayHistory
from worker.models.preference import Preference
from worker.models.song import Song
from worker.models.song_day import SongDay
from worker.models.stale_chart import StaleChart
from worker.models.stale_day import StaleDay
from worker.models.stale_history import StaleHistory
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
