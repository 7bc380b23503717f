"""Clock skew: which clocks are believed, and what they make of an event."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import NOW, Fields, entry_id_at, event, favorite, payload, play, preference
from tests.support.strategies import CHEAP
from worker.contract.clock_skew import TOLERATED, received_at
from worker.contract.codec import decode
from worker.contract.events import EARLIEST_TIME
from worker.errors import InvalidEventError, Reason

MINUTE = timedelta(minutes=1)
MS = timedelta(milliseconds=1)
# Up to the ends of the years that a datetime knows, with room for the event's own time.
SKEWS = st.timedeltas(timedelta(days=-7_900 * 365), timedelta(days=2_000 * 365))


def text(at: datetime) -> str:
    return at.isoformat()


def told(at: datetime, sent: datetime, skew: timedelta, **changes: object) -> Fields:
    """An event of `at` that is sent at `sent`, by a device whose clock is `skew` behind."""
    return play(time=text(at - skew), sent_at=text(sent - skew), **changes)


@CHEAP
@given(skew=SKEWS, age=st.timedeltas(timedelta(0), timedelta(days=9_000)), way=st.timedeltas(timedelta(0), MINUTE / 2))
def test_a_time_is_corrected_by_the_skew_of_its_clock(skew: timedelta, age: timedelta, way: timedelta) -> None:
    sent = NOW - way
    at = sent - age
    moment = event(told(at, sent, skew), entry_id_at(NOW)).time
    if moment.reported_at is None:
        assert abs(skew + way) <= TOLERATED
        assert moment.at == at - skew
    else:
        assert abs(skew + way) > TOLERATED
        # The way to Redis is all that cannot be told from skew.
        assert moment.at == at + way
        assert moment.reported_at == at - skew


@CHEAP
@given(skew=SKEWS)
def test_a_derived_id_is_made_from_the_reported_time(skew: timedelta) -> None:
    for fields in (play(), favorite(), preference()):
        fields["time"] = text(NOW - timedelta(hours=1))
        right = event(fields).id
        try:
            assert event(fields | {"sent_at": text(NOW - skew)}, entry_id_at(NOW)).id == right
        except InvalidEventError as error:
            assert error.reason is Reason.OUT_OF_RANGE  # noqa: PT017 -- Most skews have no such error.


@pytest.mark.parametrize(
    ("entry_id", "believed"),
    [
        (entry_id_at(NOW), NOW),
        (entry_id_at(NOW, 17), NOW),
        (entry_id_at(NOW + MINUTE), NOW + MINUTE),
        (entry_id_at(NOW + MINUTE + MS), None),
        (entry_id_at(NOW - timedelta(days=300)), NOW - timedelta(days=300)),
        (entry_id_at(EARLIEST_TIME), EARLIEST_TIME),
        (entry_id_at(EARLIEST_TIME - MS), None),
        ("0-1", None),
        ("7-0", None),
        ("9999999999999-7", None),
        (f"{2**64 - 1}-{2**64 - 1}", None),
    ],
)
def test_an_entry_id_gives_a_time_only_if_redis_could_make_it(entry_id: str, believed: datetime | None) -> None:
    assert received_at(entry_id, now=NOW) == believed


@pytest.mark.parametrize("entry_id", ["7-0", "9999999999999-7", f"{2**64 - 1}-{2**64 - 1}", None])
def test_without_a_receive_time_no_time_is_corrected(entry_id: str | None) -> None:
    fields = play(sent_at="1970-01-01T00:00:00Z")
    assert event(fields, entry_id).time == event(play()).time


def test_an_event_without_sent_at_is_never_corrected() -> None:
    assert event(play(), entry_id_at(NOW)).time.reported_at is None


def test_a_corrected_time_keeps_its_utc_offset() -> None:
    moment = event(told(NOW, NOW, timedelta(days=365)) | {"time": "2025-11-23T14:00:00+02:00"}, entry_id_at(NOW)).time
    assert (moment.at, moment.offset_minutes) == (NOW, 120)


def test_a_refusal_of_a_corrected_time_mentions_sent_at() -> None:
    with pytest.raises(InvalidEventError, match="also when corrected by sent_at"):
        event(play(sent_at="2099-01-01T00:00:00Z"), entry_id_at(NOW))


def test_the_range_of_a_corrected_time_follows_the_workers_clock() -> None:
    ahead = payload(told(NOW + timedelta(days=2), NOW, timedelta(days=365)))
    with pytest.raises(InvalidEventError):
        decode(ahead, now=NOW, entry_id=entry_id_at(NOW))
    later = NOW + timedelta(days=2)
    assert decode(ahead, now=later, entry_id=entry_id_at(NOW)).time.at == datetime(2026, 11, 25, 12, tzinfo=UTC)


# --- S8: a favorite or preference counts from its receipt at the latest --------------------------------


@pytest.mark.parametrize("make", [favorite, preference])
@pytest.mark.parametrize("ahead", [MS, MINUTE, timedelta(days=1)])
def test_a_claim_dated_ahead_counts_from_its_receipt(make: Callable[..., Fields], ahead: timedelta) -> None:
    fields = make(time=(NOW + ahead).isoformat())
    for now in (NOW, NOW + timedelta(days=3)):
        moment = event(fields, entry_id_at(NOW), now=now).time
        assert (moment.at, moment.reported_at) == (NOW, NOW + ahead)
    assert event(fields).time.at == NOW + ahead


def test_a_corrected_claim_keeps_the_time_as_sent() -> None:
    fields = favorite(time=(NOW + timedelta(hours=3)).isoformat(), sent_at=(NOW + timedelta(hours=2)).isoformat())
    moment = event(fields, entry_id_at(NOW)).time
    assert (moment.at, moment.reported_at) == (NOW, NOW + timedelta(hours=3))


def test_a_claim_far_ahead_is_refused_all_the_same() -> None:
    with pytest.raises(InvalidEventError, match="out_of_range"):
        event(favorite(time="2099-01-01T00:00:00Z"), entry_id_at(NOW))


def test_a_play_dated_ahead_keeps_its_time() -> None:
    ahead = NOW + timedelta(hours=20)
    assert event(play(time=ahead.isoformat()), entry_id_at(NOW)).time.at == ahead
