import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import NOW, event_id, favorite, payload, play, preference, song
from tests.support.hostile_json import anything, as_sent, assert_judged_as_by_a_worker
from tests.support.strategies import CHEAP, json_values
from worker.contract.events import MAX_EVENT_BYTES
from worker.errors import MalformedRequestError, Reason
from worker.protocols.native import Judged, answer, events_of


def judge(body: bytes, *, user: str = "ada", is_admin: bool = False) -> list[Judged]:
    return events_of(body, user=user, is_admin=is_admin, now=NOW)


def reasons(judged: list[Judged]) -> list[str | None]:
    return [one.answer["reason"] for one in judged]


def test_lines_go_to_the_stream_as_they_came() -> None:
    lines = [payload(play()), b'{ "type" : "favorite",' + payload(favorite())[1:], payload(preference(v=1))]
    judged = judge(b"\r\n\n".join(lines) + b"\n  \n")
    assert [one.item.payload for one in judged if one.item] == lines
    assert reasons(judged) == [None, None, None]


def test_an_array_is_written_anew_element_by_element() -> None:
    events = [play(), favorite(), 5]
    judged = judge(b" \n" + json.dumps(events, indent=2).encode())
    assert [json.loads(one.item.payload) for one in judged if one.item] == events
    assert reasons(judged) == [None, None, Reason.WRONG_TYPE]


def test_each_event_has_its_answer_with_the_id_it_has() -> None:
    sent = [play(id=event_id(1)), play(id=event_id(2), song=song(artist="")), play()]
    body = b"\n".join([*map(payload, sent), b'{"type": "pla'])
    accepted, refused, derived, broken = answer(judge(body))["events"]
    assert accepted == {"id": event_id(1), "status": "accepted", "reason": None, "detail": None}
    assert (refused["id"], refused["status"], refused["reason"]) == (event_id(2), "refused", "invalid_value")
    assert refused["detail"].startswith("song.artist: ")
    assert derived["id"] is not None
    assert (broken["id"], broken["reason"]) == (None, "invalid_json")


def test_a_timezone_that_is_none_is_named_and_goes_to_the_desk() -> None:
    sent = [preference(key="timezone", value="PST"), preference(key="timezone", value="Europe/Berlin")]
    judged = judge(b"\n".join(map(payload, sent)))
    assert reasons(judged) == [Reason.INVALID_VALUE, None]
    assert (
        judged[0].answer["detail"]
        == "value: must name a timezone of the IANA database, such as Europe/Berlin (got a string)"
    )
    # A worker refuses it too, and keeps it as a dead letter.
    assert judged[0].item is not None
    assert judged[0].item.event is None


@pytest.mark.parametrize("user", ["bob", "ADA", "ada2"])
def test_an_event_of_another_user_reaches_neither_stream_nor_desk(user: str) -> None:
    (judged,) = judge(payload(play(user=user, id=event_id(1))))
    assert judged.item is None
    assert judged.answer["id"] == event_id(1)
    assert judged.answer["reason"] == "wrong_user"


def test_a_refused_event_of_another_user_is_no_dead_letter_either() -> None:
    # Retried after an upgrade, it would be recorded.
    (judged,) = judge(payload(play(user="bob", v=2)))
    assert judged.item is None
    assert judged.answer["reason"] == "wrong_user"


def test_a_refused_event_of_the_token_s_user_in_another_spelling_is_a_dead_letter() -> None:
    (judged,) = judge(payload(play(user=" Zoe\u0308", v=2)), user="Zo\u00eb")
    assert judged.item is not None
    assert judged.answer["reason"] == Reason.UNSUPPORTED_VERSION


def test_users_are_compared_in_their_canonical_form() -> None:
    body = b"\n".join(payload(play(user=user)) for user in ("Zoe\u0308", " Zo\u00eb "))
    assert reasons(judge(body, user="Zo\u00eb")) == [None, None]
    assert reasons(judge(body, user="Zoe\u0308")) == [None, None]


def test_an_admin_writes_for_any_user() -> None:
    assert reasons(judge(payload(play(user="bob")), is_admin=True)) == [None]


def test_a_device_with_a_wrong_clock_is_corrected_as_by_a_worker() -> None:
    sent = play(time="1970-01-01T00:03:20Z", sent_at="1970-01-01T00:06:50Z")
    assert reasons(judge(payload(sent))) == [None]


def test_a_line_that_is_too_large_is_cut_for_the_desk() -> None:
    body = payload(play(context={"text": "x" * 100_000})) + b"\n" + payload(play())
    large, small = judge(body)
    assert large.answer["reason"] == Reason.TOO_LARGE
    assert large.item is not None
    assert len(large.item.payload) == MAX_EVENT_BYTES + 1
    assert small.answer["status"] == "accepted"


@pytest.mark.parametrize("body", [b"", b" \n\r\n\t", b"[]", b"[1, 2", b"[" * 100_000])
def test_a_body_without_events_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        judge(body)


def test_a_request_has_at_most_ten_thousand_events() -> None:
    assert len(judge(b"{}\n" * 10_000)) == 10_000
    for body in (b"{}\n" * 10_001, json.dumps([{}] * 10_001).encode()):
        with pytest.raises(MalformedRequestError, match="send them in several"):
            judge(body)


def test_a_byte_order_mark_before_the_first_line_costs_nothing() -> None:
    assert reasons(judge(b"\xef\xbb\xbf" + payload(play()))) == [None]


@CHEAP
@given(st.lists(anything, min_size=1, max_size=4), st.sampled_from(["lines", "array"]))
def test_any_json_is_judged_as_by_a_worker(sent: list[Any], form: str) -> None:
    body = as_sent(sent) if form == "array" else b"\n".join(map(as_sent, sent))
    try:
        judged = judge(body, is_admin=True)
    except MalformedRequestError:
        return
    for one in judged:
        assert one.item is not None
        assert_judged_as_by_a_worker(one.item)


@CHEAP
@given(st.binary(max_size=40))
def test_any_bytes_are_answered(body: bytes) -> None:
    try:
        judged = judge(body)
    except MalformedRequestError:
        return
    for one in judged:
        if one.item is not None:
            assert_judged_as_by_a_worker(one.item)


@given(st.sampled_from(["type", "time", "user", "song", "id", "source", "v", "ms_played", "context"]), anything)
def test_any_value_in_any_field_is_judged_as_by_a_worker(field: str, value: Any) -> None:
    for one in judge(as_sent({**play(), field: value}), is_admin=True):
        assert one.item is not None
        assert_judged_as_by_a_worker(one.item)


@given(json_values)
def test_unknown_fields_cost_nothing(value: Any) -> None:
    try:
        body = payload(play(new_field=value))
    except UnicodeEncodeError:
        return
    assert reasons(judge(body)) in ([None], [Reason.INVALID_VALUE])
