"""A year of listening with all that statistics depend on: offsets, timezones, albums and durations told late."""

import random
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from tests.support.events import Fields, favorite, payload, play, preference, song

_BEGIN: Final = datetime(2021, 1, 1, tzinfo=UTC)
_ZONES: Final = ("Asia/Tokyo", "America/New_York", "Pacific/Kiritimati", "Etc/GMT+12", "Africa/Abidjan", None)
_OFFSETS: Final = ("Z", "+00:00", "+09:00", "-05:00", "+05:45")


class Listening:
    """An endless source of valid payloads, the same ones for the same seed. One in twenty is published twice."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._given: list[bytes] = []

    def take(self, number: int) -> list[bytes]:
        return [self._next() for _ in range(number)]

    def _next(self) -> bytes:
        if self._given and self._random.random() < 0.05:
            return self._random.choice(self._given)
        self._given.append(payload(self._event()))
        return self._given[-1]

    def _event(self) -> Fields:
        # Few days, so that plays meet in them.
        at = _BEGIN + timedelta(days=self._random.randrange(20), milliseconds=self._random.randrange(86_400_000))
        common = {
            "id": str(UUID(int=self._random.getrandbits(128), version=4)),
            "time": at.replace(tzinfo=None).isoformat() + self._random.choice(_OFFSETS),
            "user": f"user {self._random.randrange(12)}",
        }
        kind = self._random.choices(("play", "favorite", "preference"), (16, 1, 1))[0]
        if kind == "preference":
            return preference(**common, key="timezone", value=self._random.choice(_ZONES))
        if kind == "favorite":
            return favorite(**common, song=self._song(), favorite=self._random.random() < 0.5)
        return play(**common, song=self._song(), ms_played=self._random.randrange(300_000))

    def _song(self) -> Fields:
        number = self._random.randrange(200)
        heard = song(title=f"song {number}", artist=f"artist {number % 20}")
        # Mostly nobody tells: the song is known for a while before its album and its duration are.
        if self._random.random() < 0.1:
            heard["album"] = f"album {number % 40}"
        if self._random.random() < 0.1:
            heard["duration_ms"] = 60_000 + 1_000 * number
        return heard
