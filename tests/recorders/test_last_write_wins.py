import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import CHEAP
from worker.books import Outcome
from worker.recorders.last_write_wins import Claim, Rank, one_row_per_key, resolve

NOON = datetime(2021, 4, 22, 12, tzinfo=UTC)


def claim(entry: str, *, minute: int, event_id: str = "0", key: str = "mood", said: object = True) -> Claim:
    return Claim(entry, key, rank(minute, event_id), said, {"key": key, "entry": entry})


def rank(minute: int, event_id: str = "0") -> Rank:
    return Rank(NOON + timedelta(minutes=minute), NOON + timedelta(minutes=minute), event_id)


claims = st.lists(
    st.builds(
        claim,
        st.uuids().map(str),
        minute=st.integers(0, 3),
        event_id=st.sampled_from("ab"),
        key=st.sampled_from(("mood", "timezone")),
        said=st.booleans(),
    ),
    max_size=8,
)


def entries(rows: Sequence[dict[str, object]]) -> list[object]:
    return [row["entry"] for row in rows]


def test_the_latest_claim_wins_in_any_order() -> None:
    said = [claim("1-0", minute=1), claim("2-0", minute=3), claim("3-0", minute=2)]
    for order in permutations(said):
        assert entries(resolve(order, current={}).winners) == ["2-0"]


def test_claims_of_one_moment_are_ordered_by_event_id() -> None:
    said = [claim("1-0", minute=1, event_id="b"), claim("2-0", minute=1, event_id="a")]
    assert entries(resolve(said, current={}).winners) == ["1-0"]


def test_a_claim_older_than_the_current_one_is_a_duplicate() -> None:
    resolution = resolve([claim("1-0", minute=1)], current={"mood": rank(2)})
    assert resolution.winners == []
    assert resolution.outcomes == {"1-0": Outcome.DUPLICATE}


def test_the_current_claim_repeated_is_a_duplicate() -> None:
    resolution = resolve([claim("1-0", minute=1)], current={"mood": rank(1)})
    assert resolution.winners == []
    assert resolution.outcomes == {"1-0": Outcome.DUPLICATE}


def test_a_claim_newer_than_the_current_one_is_recorded() -> None:
    resolution = resolve([claim("1-0", minute=1, event_id="b")], current={"mood": rank(1, "a")})
    assert entries(resolution.winners) == ["1-0"]
    assert resolution.outcomes == {"1-0": Outcome.RECORDED}


def test_one_event_twice_in_a_batch_is_recorded_once() -> None:
    resolution = resolve([claim("1-0", minute=1), claim("2-0", minute=1)], current={})
    assert Counter(resolution.outcomes.values()) == {Outcome.RECORDED: 1, Outcome.DUPLICATE: 1}


def test_claims_of_different_keys_do_not_compete() -> None:
    resolution = resolve([claim("1-0", minute=1), claim("2-0", minute=2, key="timezone")], current={})
    assert sorted(resolution.outcomes.values()) == [Outcome.RECORDED, Outcome.RECORDED]
    assert sorted(map(str, entries(resolution.winners))) == ["1-0", "2-0"]


@CHEAP
@given(said=claims, seed=st.integers())
def test_the_winner_does_not_depend_on_the_order_of_arrival(said: list[Claim], seed: int) -> None:
    shuffled = said.copy()
    random.Random(seed).shuffle(shuffled)
    one, other = resolve(said, current={}), resolve(shuffled, current={})
    assert Counter(one.outcomes.values()) == Counter(other.outcomes.values())
    ranks = {claim.entry_id: (claim.rank, claim.value) for claim in said}
    assert sorted(ranks[str(entry)] for entry in entries(one.winners)) == sorted(
        ranks[str(entry)] for entry in entries(other.winners)
    )


@CHEAP
@given(said=claims)
def test_every_claim_has_an_outcome_and_every_key_one_winner(said: list[Claim]) -> None:
    resolution = resolve(said, current={})
    assert resolution.outcomes.keys() == {claim.entry_id for claim in said}
    assert sorted(str(row["key"]) for row in resolution.winners) == sorted({str(claim.key) for claim in said})


@pytest.mark.parametrize("keys", [[], ["mood"], ["mood", "timezone", "mood"]])
def test_the_current_claim_is_looked_up_once_a_key(keys: list[str]) -> None:
    said = [claim(f"{number}-0", minute=number, key=key) for number, key in enumerate(keys)]
    assert sorted(row["key"] for row in one_row_per_key(said)) == sorted(set(keys))
