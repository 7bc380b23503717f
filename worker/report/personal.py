"""What a report says about one listener only: streaks, moments, comebacks and discoveries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from worker.statistics import (
    ArtistPart,
    Comeback,
    Discovery,
    DiscoveryCount,
    FirstAndLast,
    Milestone,
    Period,
    Run,
    Span,
    StayedDiscoveries,
    Streak,
    UserListening,
    artist_comebacks,
    count_discoveries,
    days,
    discoveries,
    first_and_last,
    first_heard,
    longest_run,
    milestones,
    song_comebacks,
    stayed_discoveries,
    streaks,
)

_LATEST: Final = 5
_STAYED: Final = 8
_COMEBACKS: Final = 5


@dataclass(frozen=True)
class Discovered:
    """Songs heard for the first time: how many in each month, those that stayed, and the latest."""

    counts: Sequence[DiscoveryCount]
    stayed: StayedDiscoveries
    latest: Sequence[Discovery]


@dataclass(frozen=True)
class Personal:
    """The answers about one listener. `since` is the first day of their whole history.

    `discovered` is None in the first calendar year of a history, in which everything is heard for the first time.
    """

    since: date
    streak: Streak | None
    ends: FirstAndLast | None
    run: Run | None
    milestones: Sequence[Milestone]
    artists_back: Sequence[Comeback]
    songs_back: Sequence[Comeback]
    discovered: Discovered | None


def personal_of(listening: UserListening, wanted: Span, *, artists: Sequence[ArtistPart], today: date) -> Personal:
    """The answers about a span that has plays. `artists` are those of its parts."""
    since = days(listening, date.min, wanted.last)[0].day
    return Personal(
        since=since,
        streak=streaks(listening, wanted, today=today).longest,
        ends=first_and_last(listening, wanted),
        run=longest_run(listening, wanted),
        milestones=milestones(listening, wanted),
        artists_back=artist_comebacks(listening, wanted, most=_COMEBACKS, parts=artists),
        songs_back=song_comebacks(listening, wanted, most=_COMEBACKS),
        discovered=_discovered(listening, wanted) if since.year < wanted.first.year else None,
    )


def _discovered(listening: UserListening, wanted: Span) -> Discovered:
    found = first_heard(listening, wanted)
    return Discovered(
        counts=count_discoveries(listening, Period.MONTH, wanted, found=found),
        stayed=stayed_discoveries(listening, wanted, most=_STAYED, found=found),
        latest=discoveries(listening, wanted, most=_LATEST, found=found),
    )
