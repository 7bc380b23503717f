"""The listeners of the simulator: when they are awake, what they like, and what they are in the mood for."""

import itertools
import random
from bisect import bisect
from collections.abc import Sequence
from datetime import timedelta, timezone
from typing import Final

from worker.local.simulated_songs import Catalogue, Song

HOURS: Final = 24
WEEK_HOURS: Final = 7 * HOURS
_SATURDAY: Final = 5
_ZONES: Final = 5

# How much four kinds of people listen in each hour of a day: on the way to work and back, at the desk, in the evening,
# at night.
_WORKDAYS: Final = (
    (0, 0, 0, 0, 0, 1, 5, 9, 7, 2, 1, 1, 2, 1, 1, 2, 5, 9, 7, 4, 3, 3, 2, 1),
    (0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 9, 8, 3, 7, 9, 8, 6, 3, 1, 1, 2, 2, 1, 0),
    (1, 0, 0, 0, 0, 0, 1, 2, 2, 1, 1, 1, 2, 1, 1, 2, 2, 4, 6, 8, 9, 9, 7, 4),
    (9, 7, 5, 2, 1, 0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 4, 5, 7, 9, 9),
)
_WEEKENDS: Final = (
    (1, 1, 0, 0, 0, 0, 0, 1, 3, 5, 7, 7, 6, 4, 3, 3, 4, 4, 4, 4, 4, 4, 3, 2),
    (1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 3, 2, 2, 2, 2, 2, 2, 2, 3, 4, 4, 3, 2),
    (5, 4, 2, 1, 0, 0, 0, 0, 1, 2, 4, 5, 5, 5, 5, 5, 5, 6, 7, 9, 11, 12, 10, 8),
    (12, 12, 9, 5, 2, 1, 0, 0, 0, 0, 0, 1, 2, 3, 3, 4, 4, 5, 5, 6, 7, 9, 11, 12),
)
_KINDS: Final = len(_WORKDAYS)
_GROUPS: Final = _KINDS * _ZONES

_FAVOURITES: Final = 12
_CRUSHES: Final = 8
_MONTH_DAYS: Final = 30
_HIT_SHARE: Final = 0.2
_CRUSH_SHARE: Final = 0.5
_ALBUM_SHARE: Final = 0.12
_LOOP_SHARE: Final = 0.03
_LONGEST_LOOP: Final = 5


def timezone_of(listener: int) -> timezone:
    return timezone(timedelta(hours=listener % _ZONES - 1))


def zipf(count: int) -> list[float]:
    """Cumulative sums of 1, 1/2, 1/3 and so on."""
    return list(itertools.accumulate(1 / rank for rank in range(1, count + 1)))


class Crowd:
    """Who listens in each hour of the week. Few listeners have most of the plays, by Zipf's law."""

    def __init__(self, users: int) -> None:
        self._members = [list(range(group, users, _GROUPS)) for group in range(min(_GROUPS, users))]
        weights = [[1 / (user + 1) for user in members] for members in self._members]
        self._of_members = [list(itertools.accumulate(each)) for each in weights]
        busy = [each[-1] for each in self._of_members]
        self._of_groups = [
            list(itertools.accumulate(weight * _appetite(group, hour) for group, weight in enumerate(busy)))
            for hour in range(WEEK_HOURS)
        ]

    def plays_in(self, week_hour: int) -> float:
        """How much everyone listens in an hour of the week in UTC, beside other hours."""
        return self._of_groups[week_hour][-1]

    def someone(self, week_hour: int, day: int, rng: random.Random) -> int:
        """A listener of this hour; who is away on this day is replaced by the next one of the same habits."""
        groups = self._of_groups[week_hour]
        group = bisect(groups, rng.random() * groups[-1], hi=len(groups) - 1)
        members, weights = self._members[group], self._of_members[group]
        number = bisect(weights, rng.random() * weights[-1], hi=len(weights) - 1)
        user = members[number]
        return members[number + 1 - len(members)] if _is_away(user, day) else user


def _appetite(group: int, week_hour: int) -> float:
    """How much people of a group listen in an hour of the week in UTC. Some hours are never quite silent."""
    kind, zone = (group // _ZONES) % _KINDS, group % _ZONES - 1
    day, hour = divmod((week_hour + zone) % WEEK_HOURS, HOURS)
    return (_WEEKENDS if day >= _SATURDAY else _WORKDAYS)[kind][hour] + 0.02


def _is_away(user: int, day: int) -> bool:
    """A week in fourteen, and any day in seven."""
    mixed = (user + 1) * 73_856_093 ^ day * 19_349_663
    return (user * 5 + day // 7) % 14 == 0 or (mixed ^ mixed >> 13) % 7 == 0


class Person:
    """What one listener likes: favourites at all times, and each month someone they had not heard for long."""

    def __init__(self, user: int, catalogue: Catalogue) -> None:
        self._user = user
        self._catalogue = catalogue
        rng = random.Random(user)  # noqa: S311 -- Repeatable, not secret.
        self._favourites: Sequence[str] = rng.sample(catalogue.artists, min(_FAVOURITES, len(catalogue.artists)))
        others = [artist for artist in catalogue.unheard if artist not in self._favourites] or self._favourites
        self._crushes: Sequence[str] = rng.sample(others, min(_CRUSHES, len(others)))
        self._next: list[Song] = []

    def next_song(self, day: int, rng: random.Random) -> Song:
        """The next song of an album or of a loop, or a new choice."""
        if self._next:
            return self._next.pop()
        song, dice = self._choice(day, rng), rng.random()
        if dice < _ALBUM_SHARE:
            # From the end, because the last one is taken first.
            self._next = self._catalogue.of_album[song["album"]][::-1]
            return self._next.pop()
        if dice < _ALBUM_SHARE + _LOOP_SHARE:
            self._next = [song] * rng.randrange(1, _LONGEST_LOOP)
        return song

    def _choice(self, day: int, rng: random.Random) -> Song:
        dice = rng.random()
        if dice < _HIT_SHARE:
            hits = self._catalogue.hits
            return hits[bisect(_HITS_BY_RANK, rng.random() * _HITS_BY_RANK[len(hits) - 1], hi=len(hits) - 1)]
        if dice < _CRUSH_SHARE:
            artist = self._crushes[day // _MONTH_DAYS % len(self._crushes)]
        else:
            favourites = self._favourites
            rank = bisect(_HITS_BY_RANK, rng.random() * _HITS_BY_RANK[len(favourites) - 1], hi=len(favourites) - 1)
            artist = favourites[rank]
        songs = self._catalogue.of_artist[artist]
        # Everyone likes other songs of an artist, and few of them most.
        return songs[(self._user + int(len(songs) * rng.random() ** 3)) % len(songs)]

    def skips(self, day: int, rng: random.Random) -> bool:
        """Whether the listener skips this song: on restless days, most of them."""
        return rng.random() < (0.55 if (self._user + day) % 6 == 0 else 0.2)


_HITS_BY_RANK: Final = zipf(100)
