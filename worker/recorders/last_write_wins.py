"""The rule of favorites and preferences: the newest claim wins, whatever the order of arrival."""

from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from worker.books import Outcome


class Rank(NamedTuple):
    """What orders the claims on one thing: time, then event id."""

    said_at: datetime
    event_id: str


class Claim(NamedTuple):
    """One event's claim. `said` only orders claims of one rank, that is, one event told in two ways."""

    entry_id: str
    key: Hashable
    rank: Rank
    said: Any
    row: dict[str, Any]


class Resolution(NamedTuple):
    outcomes: dict[str, Outcome]
    winners: list[dict[str, Any]]


def resolve(claims: Iterable[Claim], *, current: Mapping[Hashable, Rank]) -> Resolution:
    """Tell which claims are to be written, given the ranks of those in force.

    A claim counts as recorded when it is newer than the one in force as its batch came, and than every older claim of
    the batch: just as if the batch had arrived in the order of its events. One that is already known, or that a
    newer claim has overtaken, changes nothing and is a duplicate.
    """
    newest: dict[Hashable, Claim] = {}
    outcomes: dict[str, Outcome] = {}
    for claim in sorted(claims, key=lambda claim: (claim.rank, claim.said)):
        standing = newest[claim.key].rank if claim.key in newest else current.get(claim.key)
        if standing is not None and claim.rank <= standing:
            outcomes[claim.entry_id] = Outcome.DUPLICATE
        else:
            # One event sent twice by a device with a wrong clock: its skew is never quite the same. The later time
            # stands, whichever came first, but the event has been recorded before.
            again = standing is not None and claim.rank.event_id == standing.event_id
            outcomes[claim.entry_id] = Outcome.DUPLICATE if again else Outcome.RECORDED
            newest[claim.key] = claim
    return Resolution(outcomes, [claim.row for claim in newest.values()])


def one_row_per_key(claims: Iterable[Claim]) -> Iterable[dict[str, Any]]:
    """A row for each key that the claims are about, to look up what is in force."""
    return {claim.key: claim.row for claim in claims}.values()
