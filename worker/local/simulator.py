"""Simulate listeners: seeded events that are distributed like real ones, for the demo and the benchmarks."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from worker.local.simulated_people import HOURS, WEEK_HOURS, Crowd, Person, timezone_of
from worker.local.simulated_songs import Catalogue, Song

_PLAYERS: Final = ("mpd/0.23.14", "zik-web/2.1", "car/1.0", "phone/5.4.2")

DAYS: Final = 90
_FAVORITE_SHARE: Final = 0.03
_PREFERENCE_SHARE: Final = 0.01
_REPEATED_SHARE: Final = 0.01
_LIKED_SHARE: Final = 0.8
_SKIPPED_MS: Final = (2_000, 45_000)
_HOUR: Final = timedelta(hours=1)


def simulate(  # noqa: PLR0913 -- The size of the simulation, each with a default.
    count: int, *, until: datetime, seed: int = 1, users: int = 200, songs: int = 3_000, days: int = DAYS
) -> Iterator[dict[str, Any]]:
    """Yield `count` events of the `days` days before `until`, oldest first.

    A few songs and users have most of the plays (Zipf's law), and one event in a hundred is repeated with the same id,
    as after a network fault. Listeners have days, nights and weekends, each in a timezone of their own, favourites and
    a new love each month; they play albums to the end, one song on and on, and on some days skip most songs.
    """
    rng = random.Random(seed)  # noqa: S311 -- Repeatable, not secret.
    catalogue, crowd = Catalogue(songs), Crowd(users)
    people: dict[int, Person] = {}
    event: dict[str, Any] | None = None
    for at in _times(count, until, days, crowd, rng):
        if event is None or rng.random() >= _REPEATED_SHARE:
            day = at.toordinal()
            listener = crowd.someone(_week_hour(at), day, rng)
            person = people.get(listener)
            if person is None:
                person = people[listener] = Person(listener, catalogue)
            event = {
                "v": 1,
                "id": str(UUID(int=rng.getrandbits(128), version=4)),
                "time": at.astimezone(timezone_of(listener)).isoformat(timespec="milliseconds"),
                "user": f"listener-{listener:03}",
                "source": rng.choice(_PLAYERS),
                **_content(rng, person, day),
            }
        yield event


def _times(count: int, until: datetime, days: int, crowd: Crowd, rng: random.Random) -> Iterator[datetime]:
    """The instants of the events. An hour has as many as its listeners are awake, on days that are loud or quiet."""
    start = until.astimezone(UTC) - timedelta(days=days)
    moods = [rng.uniform(0.4, 1.8) for _ in range(days)]
    hours = [start + number * _HOUR for number in range(days * HOURS)]
    weights = [moods[number // HOURS] * crowd.plays_in(_week_hour(at)) for number, at in enumerate(hours)]
    scale, so_far, done = count / sum(weights), 0.0, 0
    for at, weight in zip(hours, weights, strict=True):
        so_far += weight
        # The sum of floats may miss the last event by a hair.
        due = count if at is hours[-1] else round(so_far * scale)
        for number in range(due - done):
            yield at + _HOUR * number / (due - done)
        done = due


def _week_hour(at: datetime) -> int:
    return (at.weekday() * HOURS + at.hour) % WEEK_HOURS


def _content(rng: random.Random, person: Person, day: int) -> dict[str, Any]:
    """The fields of a play, or rarely of a favorite or a preference."""
    dice = rng.random()
    if dice < _PREFERENCE_SHARE:
        return {"type": "preference", "key": "mood", "value": {"now": rng.choice(("calm", "loud", "blue"))}}
    song = person.next_song(day, rng)
    if dice < _PREFERENCE_SHARE + _FAVORITE_SHARE:
        named_song = {"title": song["title"], "artist": song["artist"]}
        return {"type": "favorite", "song": named_song, "favorite": rng.random() < _LIKED_SHARE}
    return {"type": "play", "song": song, "ms_played": _heard_ms(rng, person, song, day)}


def _heard_ms(rng: random.Random, person: Person, song: Song, day: int) -> int:
    return rng.randrange(*_SKIPPED_MS) if person.skips(day, rng) else int(song["duration_ms"])
