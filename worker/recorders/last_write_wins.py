"""The rule of favorites and preferences: the newest claim wins, whatever the order of arrival."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

from worker.books import Outcome
from worker.contract.events import FavoriteEvent, PreferenceEvent
from worker.database.statement import Statement, instant, read_instant, reported


class Rank(NamedTuple):
    """Orders claims on one key: by time, then by the time that they were dated ahead to, then by event id.

    Claims that are dated ahead may have one time, that of their receipt. Then their device decides. In SQL, `dated` is
    the later of `reported_at` and `said_at`.
    """

    said_at: datetime
    dated: datetime
    event_id: str


class Claim(NamedTuple):
    """What one event says about a key. `value` only orders claims of one rank: one event sent with two contents."""

    entry_id: str
    key: Hashable
    rank: Rank
    value: Any
    row: dict[str, Any]


class Resolution(NamedTuple):
    outcomes: dict[str, Outcome]
    winners: list[dict[str, Any]]


def make_claim(
    entry_id: str,
    event: FavoriteEvent | PreferenceEvent,
    *,
    key: Mapping[str, Any],
    value: Mapping[str, Any],
    order: Any,
) -> Claim:
    """Make the claim of an event and its row, from the columns of its key and of its value."""
    event_id = event.id.replace("-", "")
    row = {**key, **value, "said_at": instant(event.time.at), "event_id": event_id}
    if event.time.reported_at is not None:
        row |= reported(event.time.reported_at)
    rank = Rank(event.time.at, max(event.time.at, event.time.reported_at or event.time.at), event_id)
    return Claim(entry_id, tuple(key.values()), rank, order, row)


def record_claims(
    connection: Connection, claims: Sequence[Claim], *, current: Statement, upsert: Statement
) -> dict[str, Outcome]:
    """Write the newest claim on each key, and return the outcome of each entry.

    Args:
        connection: in the caller's transaction.
        claims: of one table, in any order.
        current: selects and locks the stored rows of the claims' keys: the key's two columns, then the rank.
        upsert: writes a row unless the stored one has a higher rank, because another transaction may have written in
            between.
    """
    if not claims:
        return {}
    stored: dict[Hashable, Rank] = {
        (first, second): Rank(read_instant(said_at), read_instant(dated), event_id)
        for first, second, said_at, dated, event_id in current.run(connection, one_row_per_key(claims))
    }
    resolution = resolve(claims, current=stored)
    if resolution.winners:
        upsert.run(connection, resolution.winners)
    return resolution.outcomes


def resolve(claims: Iterable[Claim], *, current: Mapping[Hashable, Rank]) -> Resolution:
    """Choose the claims to write, given the ranks of the stored ones.

    A claim counts as recorded when it is newer than the stored one and than every older claim of its batch, as if the
    batch had arrived in the order of its events. A claim that is already stored, or that a newer one has overtaken,
    changes nothing and is a duplicate.
    """
    newest: dict[Hashable, Claim] = {}
    outcomes: dict[str, Outcome] = {}
    for claim in sorted(claims, key=lambda claim: (claim.rank, claim.value)):
        standing = newest[claim.key].rank if claim.key in newest else current.get(claim.key)
        if standing is not None and claim.rank <= standing:
            outcomes[claim.entry_id] = Outcome.DUPLICATE
        else:
            # One event sent twice by a device with a wrong clock: its corrected time is never quite the same. The later
            # time stands, whichever came first, but the event was recorded before.
            again = standing is not None and claim.rank.event_id == standing.event_id
            outcomes[claim.entry_id] = Outcome.DUPLICATE if again else Outcome.RECORDED
            newest[claim.key] = claim
    return Resolution(outcomes, [claim.row for claim in newest.values()])


def one_row_per_key(claims: Iterable[Claim]) -> Iterable[dict[str, Any]]:
    """A row for each key that the claims are about, to look up what is stored."""
    return {claim.key: claim.row for claim in claims}.values()
