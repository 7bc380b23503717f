"""S6: an id that a client gives to several plays hides none: each is recorded, or a dead letter that says why."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, select

from tests.support.events import NOW, Fields, accepted, entry, entry_id_at, event_id, favorite, play, preference, song
from tests.support.strategies import ON_DATABASE, stored, undone
from worker.books import Outcome
from worker.contract.events import Accepted, PlayEvent
from worker.database.engine import snapshot, transaction
from worker.errors import Reason
from worker.models import DeadLetter, Favorite, PlayHistory, Preference
from worker.recorders.batch import Recorded, record_batch
from worker.recorders.known import Known

RECORDED, DUPLICATE, DEAD = Outcome.RECORDED, Outcome.DUPLICATE, Outcome.DEAD
ID = event_id(1)
FIRST = play(id=ID)


def record(engine: Engine, *batch: Accepted) -> Recorded:
    with transaction(engine) as session:
        return record_batch(session.connection(), batch, known=Known())


def outcome(engine: Engine, number: int, **changes: Any) -> Outcome:
    """Record a play with the one id, alone in its batch."""
    (result,) = record(engine, *accepted(FIRST | changes, start=number)).outcomes.values()
    return result


def plays(engine: Engine) -> list[PlayHistory]:
    with snapshot(engine) as session:
        return list(session.scalars(select(PlayHistory).order_by(PlayHistory.played_at)))


@pytest.mark.parametrize(
    "changes",
    [{"song": song(title="Schism")}, {"time": "2021-04-22T05:40:54Z"}, {"time": "2021-04-22T05:40:53.000001Z"}],
    ids=["song", "second", "microsecond"],
)
def test_another_play_with_the_same_id_is_a_letter(engine: Engine, changes: Fields) -> None:
    assert outcome(engine, 1) is RECORDED
    assert outcome(engine, 2, **changes) is DEAD
    (row,) = plays(engine)
    assert row.played_at.second == 53
    with snapshot(engine) as session:
        (letter,) = session.scalars(select(DeadLetter))
    assert (letter.entry_id, letter.reason) == ("2-0", Reason.ID_CONFLICT)
    assert letter.detail.startswith("id: another play of this user has it")


def test_a_client_with_one_constant_id_loses_no_play(engine: Engine) -> None:
    batch = accepted(*(play(id=ID, time=f"2021-04-22T05:{number:02}:00Z") for number in range(60)))
    assert Counter(record(engine, *batch[:20]).outcomes.values()) == {RECORDED: 1, DEAD: 19}
    assert Counter(record(engine, *batch[20:]).outcomes.values()) == {DEAD: 40}
    with snapshot(engine) as session:
        letters = {letter.entry_id: letter.payload for letter in session.scalars(select(DeadLetter))}
    assert letters == {each.entry_id: each.payload for each in batch[1:]}


@pytest.mark.parametrize("together", [True, False], ids=["one-batch", "two-batches"])
def test_the_id_of_another_user_is_free(engine: Engine, together: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    batch = accepted(FIRST, FIRST | {"user": "bob"})
    for part in [batch] if together else [batch[:1], batch[1:]]:
        assert set(record(engine, *part).outcomes.values()) == {RECORDED}
    assert {row.id.hex for row in plays(engine)} == {ID.replace("-", "")}
    assert len({row.user_id for row in plays(engine)}) == 2


def test_a_derived_id_that_another_user_took_beforehand(engine: Engine) -> None:
    (coming,) = accepted(play(user="ada"))
    assert outcome(engine, 1, id=coming.event.id, user="eve") is RECORDED
    assert set(record(engine, coming).outcomes.values()) == {RECORDED}


def test_a_conflicting_play_that_is_stored_itself_is_a_duplicate(engine: Engine) -> None:
    """As two sources report it, one of them with a broken id: it is recorded already."""
    assert outcome(engine, 1) is RECORDED
    assert outcome(engine, 2, id=event_id(2), time="2021-05-01T00:00:00Z") is RECORDED
    assert outcome(engine, 3, time="2021-05-01T00:00:00Z") is DUPLICATE


# --- What the correction of a clock explains --------------------------------------------------------


def sent(at_s: float, *, received_s: float, time: str = "1970-01-01T00:03:20Z", **changes: Any) -> Accepted:
    """The play of a device whose clock began in 1970, sent `at_s` seconds after `time`."""
    stamp = f"1970-01-01T00:{3 + int(20 + at_s) // 60:02}:{int(20 + at_s) % 60:02}Z"
    received = entry_id_at(NOW + timedelta(seconds=received_s))
    return entry(received, play(id=ID, time=time, sent_at=stamp, **changes), now=NOW + timedelta(days=2))


def test_one_play_corrected_twice_is_a_duplicate(engine: Engine) -> None:
    assert set(record(engine, sent(10, received_s=0)).outcomes.values()) == {RECORDED}
    # Its first try was long on its way, so the two corrected times are minutes apart.
    assert set(record(engine, sent(400, received_s=0.5)).outcomes.values()) == {DUPLICATE}


def test_one_play_corrected_once_and_once_not_is_a_duplicate(engine: Engine) -> None:
    right = play(id=ID, time="2026-11-23T11:50:00Z")
    assert set(record(engine, entry(entry_id_at(NOW, 1), right)).outcomes.values()) == {RECORDED}
    late = right | {"sent_at": "2026-11-23T11:58:00Z"}
    assert set(record(engine, entry(entry_id_at(NOW, 2), late)).outcomes.values()) == {DUPLICATE}


def test_a_corrected_play_is_known_again_after_an_export(engine: Engine) -> None:
    """The export of a corrected play has lost the time as sent."""
    corrected = sent(10, received_s=0).event
    exported = play(id=ID, time=corrected.time.at.isoformat())
    assert set(record(engine, entry(entry_id_at(NOW, 1), exported)).outcomes.values()) == {RECORDED}
    assert set(record(engine, sent(20, received_s=10.25)).outcomes.values()) == {DUPLICATE}


def test_another_play_of_a_device_without_a_clock_is_a_letter(engine: Engine) -> None:
    assert set(record(engine, sent(10, received_s=0)).outcomes.values()) == {RECORDED}
    another = sent(20, received_s=86_400, time="1970-01-01T00:03:21Z")
    assert set(record(engine, another).outcomes.values()) == {DEAD}
    another_song = sent(10, received_s=0.001, song=song(title="Schism"))
    assert set(record(engine, another_song).outcomes.values()) == {DEAD}


# --- Favorites and preferences: the id only orders claims of one moment ------------------------------


def test_a_constant_id_hides_no_favorite_and_no_preference(engine: Engine) -> None:
    events = [
        favorite(id=ID),
        favorite(id=ID, song=song(title="Schism"), favorite=False),
        favorite(id=ID, user="bob"),
        preference(id=ID),
        preference(id=ID, key="volume", value=11),
        preference(id=ID, user="bob", value="wild"),
        favorite(id=ID, time="2021-05-01T00:00:00Z", favorite=False),
        preference(id=ID, time="2021-05-01T00:00:00Z", value="wild"),
    ]
    for number, fields in enumerate(events, start=1):
        record(engine, *accepted(fields, start=number))
    with snapshot(engine) as session:
        assert sorted(session.scalars(select(Favorite.is_favorite))) == [False, False, True]
        assert sorted(map(str, session.scalars(select(Preference.value)))) == ["11", "wild", "wild"]
        assert list(session.scalars(select(DeadLetter))) == []


# --- Properties: what holds whatever conflicts -------------------------------------------------------


@st.composite
def clashing(draw: st.DrawFn) -> list[Accepted]:
    """Few ids, users, songs and times, in every combination."""
    events = draw(
        st.lists(
            st.builds(
                lambda user, title, minute, number: play(
                    id=event_id(number), user=user, song=song(title=title), time=f"2021-04-22T05:0{minute}:00Z"
                ),
                st.sampled_from(("ada", "bob")),
                st.sampled_from(("Parabola", "Schism")),
                st.integers(1, 3),
                st.integers(1, 3),
            ),
            min_size=1,
            max_size=12,
        )
    )
    return accepted(*events)


def content(each: Accepted) -> tuple[Any, ...]:
    assert isinstance(each.event, PlayEvent)
    return each.event.user, each.event.song.identity, each.event.time.at


def recorded(connection: Connection, batch: list[Accepted]) -> dict[str, Outcome]:
    return record_batch(connection, batch, known=Known()).outcomes


@ON_DATABASE
@given(batch=clashing())
def test_replaying_conflicts_changes_nothing(engine: Engine, batch: list[Accepted]) -> None:
    with undone(engine) as connection:
        before = recorded(connection, batch)
        rows = stored(connection)
        again = recorded(connection, batch)
        assert stored(connection) == rows
    assert again == {each: DUPLICATE if was is RECORDED else was for each, was in before.items()}


@ON_DATABASE
@given(data=st.data(), batch=clashing())
def test_order_of_conflicts_in_a_batch_does_not_matter(
    engine: Engine, data: st.DataObject, batch: list[Accepted]
) -> None:
    with undone(engine) as connection:
        before = recorded(connection, batch)
        rows = stored(connection)["plays"]
    with undone(engine) as connection:
        other = recorded(connection, data.draw(st.permutations(batch)))
        assert stored(connection)["plays"] == rows
    assert Counter(other.values()) == Counter(before.values())


@ON_DATABASE
@given(data=st.data(), batch=clashing())
def test_no_play_is_hidden_however_batches_are_cut(engine: Engine, data: st.DataObject, batch: list[Accepted]) -> None:
    """Which of several plays keeps an id is a matter of arrival; that none disappears is not."""
    outcomes: dict[str, Outcome] = {}
    cut = data.draw(st.integers(0, len(batch)))
    with undone(engine) as connection:
        for part in (batch[:cut], batch[cut:]):
            outcomes |= recorded(connection, part) if part else {}
        assert len(stored(connection)["plays"]) == list(outcomes.values()).count(RECORDED)
        assert len(stored(connection)["dead_letters"]) == list(outcomes.values()).count(DEAD)
    kept = {content(each) for each in batch if outcomes[each.entry_id] is RECORDED}
    for each in batch:
        assert outcomes[each.entry_id] is DEAD or content(each) in kept
