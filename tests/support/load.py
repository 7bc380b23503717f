"""Listening as it comes in the worst week: duplicates, nonsense, and words that arrive in any order."""

import random
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from tests.support.events import Fields, favorite, payload, play, preference, song

_BEGIN: Final = datetime(2021, 4, 22, tzinfo=UTC)
_YEAR_S: Final = 365 * 86_400
_BAD: Final = (
    b"",
    b"{",
    b"[]",
    b"\xff",
    b'{"v": 2}',
    b'{"type": "seek"}',
    b'{"type": "play", "time": "2021-04-22T05:40:53", "user": "ada", "song": {"title": "a", "artist": "b"}}',
)


class Load:
    """An endless source of payloads, the same ones for the same seed."""

    def __init__(
        self, seed: int, *, users: int = 20, duplicates: float = 0.05, bad: float = 0.02, canary: str = ""
    ) -> None:
        self._random = random.Random(seed)
        self._users = users
        self._duplicates = duplicates
        self._bad = bad
        self._canary = canary
        self._recent: list[bytes] = []

    def take(self, number: int) -> list[bytes]:
        return [self._next() for _ in range(number)]

    def _next(self) -> bytes:
        chance = self._random.random()
        if chance < self._bad:
            return self._random.choice(_BAD)
        if self._recent and chance < self._bad + self._duplicates:
            return self._random.choice(self._recent)
        made = payload(self._event())
        # Recent ones only, so that memory stays flat; one in a thousand stays, and comes back much later.
        if len(self._recent) < 5_000:
            self._recent.append(made)
        else:
            self._recent[self._random.randrange(5_000)] = made
        return made

    def _event(self) -> Fields:
        # A moment anywhere in a year: newest wins only if it is looked at.
        moment = _BEGIN + timedelta(milliseconds=self._random.randrange(_YEAR_S * 1_000))
        common: Fields = {
            "id": str(UUID(int=self._random.getrandbits(128), version=4)),
            "time": moment.isoformat(),
            "user": f"{self._canary}user {self._random.randrange(self._users)}",
        }
        kind = self._random.choices(("play", "favorite", "preference"), (8, 1, 1))[0]
        if kind == "preference":
            key = self._random.choice(("mood", "theme", "volume"))
            return preference(**common, key=key, value=self._random.choice((None, "calm", {"now": 1})))
        heard = song(title=f"{self._canary}song {self._random.randrange(300)}")
        if kind == "favorite":
            return favorite(**common, song=heard, favorite=self._random.random() < 0.5)
        return play(**common, song=heard, ms_played=self._random.randrange(300_000))
