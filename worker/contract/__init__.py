"""What a player may publish, and how bytes become an event. Knows neither Redis nor SQL."""

from worker.contract.codec import decode, encode
from worker.contract.events import EVENT_TYPES, Accepted, Event, FavoriteEvent, PlayEvent, PreferenceEvent, SongRef

__all__ = [
    "EVENT_TYPES",
    "Accepted",
    "Event",
    "FavoriteEvent",
    "PlayEvent",
    "PreferenceEvent",
    "SongRef",
    "decode",
    "encode",
]
