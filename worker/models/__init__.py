"""zik's tables as SQLAlchemy classes. Any reader may import them: they need neither Celery nor Redis."""

from worker.models import triggers  # noqa: F401 -- creating the tables creates their triggers
from worker.models.base import Base, TimestampMixin
from worker.models.corrected_play import CorrectedPlay
from worker.models.dead_letter import DeadLetter
from worker.models.favorite import Favorite
from worker.models.left_out import LeftOut
from worker.models.merge import Merge
from worker.models.pending_feedback import PendingFeedback
from worker.models.play import PlayHistory
from worker.models.preference import Preference
from worker.models.rollups import ChartPlace, ListeningHour, SongDay
from worker.models.song import Song
from worker.models.stale_marks import StaleChart, StaleDay, StaleHistory
from worker.models.sums import DaySum, SubjectSum, SummedStretch
from worker.models.token import AccessToken
from worker.models.track import Track, TrackArtist
from worker.models.user import User

__all__ = [
    "AccessToken",
    "Base",
    "ChartPlace",
    "CorrectedPlay",
    "DaySum",
    "DeadLetter",
    "Favorite",
    "LeftOut",
    "ListeningHour",
    "Merge",
    "PendingFeedback",
    "PlayHistory",
    "Preference",
    "Song",
    "SongDay",
    "StaleChart",
    "StaleDay",
    "StaleHistory",
    "SubjectSum",
    "SummedStretch",
    "TimestampMixin",
    "Track",
    "TrackArtist",
    "User",
]
