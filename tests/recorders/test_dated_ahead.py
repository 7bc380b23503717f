"""S8: a favorite or preference dated ahead loses to a genuine change that comes after it."""

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import Engine, select

from tests.support.events import NOW, Fields, entry, entry_id_at, event_id, favorite, preference
from tests.support.strategies import stored, undone
from worker.contract.events import Accepted
from worker.database.engine import snapshot, transaction
from worker.models import Favorite, Preference
from worker.recorders.batch import record_batch
from worker.recorders.known import Known

AHEAD = timedelta(hours=20)
SECOND = timedelta(seconds=1)


def at_second(number: int, fields: Fields, *, ahead: timedelta = timedelta()) -> Accepted:
    """The event of this second by a device whose clock is ahead, received at once."""
    at = NOW + number * SECOND
    return entry(entry_id_at(at), fields | {"time": (at + ahead).isoformat()}, now=NOW + timedelta(days=1))


def record(engine: Engine, *batch: Accepted) -> None:
    with transaction(engine) as session:
        record_batch(session.connection(), batch, known=Known())


def standing(engine: Engine) -> list[Any]:
    with snapshot(engine) as session:
        return [*session.scalars(select(Favorite.is_favorite)), *session.scalars(select(Preference.value))]


@pytest.mark.parametrize("together", [True, False], ids=["one-batch", "two-batches"])
@pytest.mark.parametrize(
    ("first", "then", "value"),
    [
        (favorite(id=event_id(2)), favorite(id=event_id(1), favorite=False), False),
        (preference(id=event_id(2)), preference(id=event_id(1), value="wild"), "wild"),
    ],
    ids=["favorite", "preference"],
)
def test_a_genuine_later_change_wins(
    engine: Engine,
    together: bool,  # noqa: FBT001 -- a parameter of the test
    first: Fields,
    then: Fields,
    value: object,
) -> None:
    batch = [at_second(1, first, ahead=AHEAD), at_second(2, then)]
    for part in [batch] if together else [batch[:1], batch[1:]]:
        record(engine, *part)
    assert standing(engine) == [value]


def test_a_claim_dated_ahead_wins_over_what_came_before(engine: Engine) -> None:
    record(engine, at_second(1, favorite(id=event_id(1))))
    record(engine, at_second(2, favorite(id=event_id(2), favorite=False), ahead=AHEAD))
    assert standing(engine) == [False]


def test_claims_received_in_one_millisecond_keep_their_order(engine: Engine) -> None:
    """A device that was offline sends them together, so all count from one moment."""
    times = [(NOW + AHEAD + number * SECOND).isoformat() for number in range(3)]
    batch = [
        entry(entry_id_at(NOW, number), favorite(id=event_id(9 - number), time=time, favorite=number == 1))
        for number, time in enumerate(times)
    ]
    record(engine, *batch)
    assert standing(engine) == [False]


def test_order_and_batches_of_claims_dated_ahead_do_not_matter(engine: Engine) -> None:
    """An entry that is read again has the same rank, whenever that is."""
    claims = [
        at_second(1, favorite(id=event_id(3)), ahead=AHEAD),
        at_second(2, favorite(id=event_id(2), favorite=False)),
        at_second(3, favorite(id=event_id(1)), ahead=AHEAD),
        at_second(4, favorite(id=event_id(4), favorite=False), ahead=-AHEAD),
    ]
    rows = []
    for order in permutations(claims):
        with undone(engine) as connection:
            for part in (order[:2], order[2:], order):
                record_batch(connection, part, known=Known())
            rows.append(stored(connection)["favorites"])
    assert all(each == rows[0] for each in rows)
    record(engine, *claims)
    assert standing(engine) == [True]
