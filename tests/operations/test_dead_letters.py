import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter
from sqlalchemy import Engine, text, update
from sqlalchemy.event import listen
from sqlalchemy.orm import Session

from tests.support.events import play_payload, play_payloads
from tests.support.processes import count, litter
from worker.books import Books, Outcome
from worker.contract.wire import WirePlay
from worker.database.engine import transaction
from worker.drain.drain import Drain
from worker.errors import DatabaseUnavailableError, Reason, RowRefusedError
from worker.models import DeadLetter
from worker.operations.dead_letters import Desk, count_by_reason, discard, discard_older, find, get, numbers
from worker.recorders.batch import Recorded, record_batch
from worker.stream.consumer import EventStream

NOW = datetime(2026, 11, 23, tzinfo=UTC)


class PlayOfTomorrow(WirePlay):
    v: Annotated[int, Field(ge=1, le=2)] = 1


def buried(stream: EventStream, engine: Engine, *payloads: bytes, create_users: bool = True) -> list[int]:
    """Drain these events, none of which can be recorded, and return their letters' ids."""
    stream.append(payloads)
    Drain(stream, engine, "a", create_users=create_users).run()
    ids = [letter.id for letter in find(engine)]
    assert len(ids) == len(payloads)
    return ids


def test_after_an_upgrade_a_retried_newer_event_is_recorded(
    stream: EventStream, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = buried(stream, engine, play_payload(v=2))
    assert count_by_reason(engine) == {"unsupported_version": 1}
    monkeypatch.setattr("worker.contract.wire._CONTRACT", TypeAdapter(PlayOfTomorrow))
    assert Desk(engine, stream).retry(ids, now=NOW) == {Outcome.RECORDED: 1}
    assert (count(engine, "play_history"), count(engine, "dead_letters")) == (1, 0)
    books = stream.books()
    assert (books.received, books.recorded, books.dead, books.balanced) == (1, 1, 0, True)


def test_a_retry_may_create_an_unknown_user(stream: EventStream, engine: Engine) -> None:
    ids = buried(stream, engine, play_payload("a", user="eve"), play_payload("b", user="eve"), create_users=False)
    assert Desk(engine, stream).retry(ids, now=NOW) == {Outcome.RECORDED: 2}
    assert count(engine, "play_history") == 2
    assert count(engine, "stale_days") > 0
    assert (stream.books().recorded, stream.books().dead) == (2, 0)


def test_a_retried_event_that_is_already_recorded_is_a_duplicate(stream: EventStream, engine: Engine) -> None:
    ids = buried(stream, engine, play_payload(user="eve"), create_users=False)
    stream.append([play_payload(user="eve")])
    Drain(stream, engine, "a").run()
    assert Desk(engine, stream).retry(ids, now=NOW) == {Outcome.DUPLICATE: 1}
    assert (count(engine, "play_history"), count(engine, "dead_letters")) == (1, 0)
    books = stream.books()
    assert (books.recorded, books.duplicate, books.dead, books.balanced) == (1, 1, 0, True)


def test_a_dead_letter_that_fails_again_counts_one_more_attempt(stream: EventStream, engine: Engine) -> None:
    ids = buried(stream, engine, b"{")
    before = find(engine)[0]
    assert Desk(engine, stream).retry(ids, now=NOW) == {Outcome.DEAD: 1}
    (after,) = find(engine)
    assert (after.id, after.payload, after.reason) == (before.id, b"{", "invalid_json")
    assert after.attempts == 2
    books = stream.books()
    assert (books.received, books.dead, books.waiting, books.balanced) == (1, 1, 0, True)


def test_a_dead_letter_takes_the_reason_of_its_last_attempt(
    stream: EventStream, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = buried(stream, engine, play_payload(v=2, user="eve"))
    monkeypatch.setattr("worker.contract.wire._CONTRACT", TypeAdapter(PlayOfTomorrow))
    assert Desk(engine, stream, create_users=False).retry(ids, now=NOW) == {Outcome.DEAD: 1}
    (letter,) = find(engine)
    assert letter.reason == "unknown_user"
    assert letter.detail.startswith("user:")
    assert count(engine, "app_users") == 0


def test_an_unknown_user_refused_again_stays_one_dead_letter(stream: EventStream, engine: Engine) -> None:
    ids = buried(stream, engine, play_payload(user="eve"), create_users=False)
    assert Desk(engine, stream, create_users=False).retry(ids, now=NOW) == {Outcome.DEAD: 1}
    assert [(letter.reason, letter.attempts) for letter in find(engine)] == [("unknown_user", 2)]


def test_a_row_refused_at_a_retry_stays_a_dead_letter(
    stream: EventStream, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = buried(stream, engine, play_payload(user="eve"), create_users=False)
    monkeypatch.setattr("worker.operations.dead_letters.record_batch", refusing)
    assert Desk(engine, stream).retry(ids, now=NOW) == {Outcome.DEAD: 1}
    assert [(letter.reason, letter.attempts) for letter in find(engine)] == [("refused_by_database", 2)]
    assert (stream.books().dead, stream.books().balanced) == (1, True)


def refusing(*_: object, **__: object) -> None:
    raise RowRefusedError("the database refused a row")


@pytest.mark.parametrize("end", [DatabaseUnavailableError("away"), KeyboardInterrupt()], ids=["no database", "Ctrl-C"])
def test_an_interrupted_retry_leaves_the_books_balanced(
    stream: EventStream, engine: Engine, monkeypatch: pytest.MonkeyPatch, end: BaseException
) -> None:
    first, *_ = buried(stream, engine, *(play_payload(title, user="eve") for title in "abcd"), create_users=False)
    stream.append([play_payload("a", user="eve")])
    Drain(stream, engine, "a").run()
    steps = iter([record_batch, record_batch, None])
    before_the_end: list[Books] = []

    def until_the_end(*arguments: Any, **named: Any) -> Recorded:
        if (step := next(steps)) is None:
            before_the_end.append(stream.books())
            raise end
        return step(*arguments, **named)

    monkeypatch.setattr("worker.operations.dead_letters.record_batch", until_the_end)
    with pytest.raises(type(end)):
        Desk(engine, stream).retry(range(first, first + 4), now=NOW)
    assert (count(engine, "play_history"), count(engine, "dead_letters")) == (2, 2)
    books = stream.books()
    assert (books.received, books.recorded, books.duplicate, books.dead, books.balanced) == (5, 2, 1, 2, True)
    # So it is for a process that is killed, too.
    assert before_the_end == [books]


def test_odd_characters_in_a_field_name_do_not_stop_a_retry(stream: EventStream, engine: Engine) -> None:
    """PostgreSQL takes no U+0000 in any text, and the detail names the field."""
    song = {"title": "t", "artist": "a", "ids": {"\0" * 70: "x"}}
    ids = buried(stream, engine, play_payload(song=song))
    assert Desk(engine, stream).retry(ids, now=NOW) == {Outcome.DEAD: 1}
    assert find(engine)[0].attempts == 2


def test_a_detail_does_not_outgrow_its_limit_at_a_retry(stream: EventStream, engine: Engine) -> None:
    song = {"title": "t", "artist": "a", "ids": {"x" * 9000: "x"}}
    ids = buried(stream, engine, play_payload(song=song))
    Desk(engine, stream).retry(ids, now=NOW)
    assert len(find(engine)[0].detail) <= 500


@pytest.mark.parametrize("reason", [Reason.TOO_LARGE, Reason.MISSING_EVENT])
def test_an_incomplete_payload_is_never_retried_into_a_row(stream: EventStream, engine: Engine, reason: Reason) -> None:
    """Even where what was kept of it happens to be a valid event."""
    with transaction(engine) as session:
        DeadLetter(entry_id="1-1", reason=reason.value, detail="why", payload=play_payload()).save(session)
    (letter,) = find(engine)
    assert Desk(engine, stream).retry([letter.id], now=NOW) == {Outcome.DEAD: 1}
    kept = get(engine, letter.id)
    assert kept is not None
    assert (kept.reason, kept.detail, kept.attempts) == (reason.value, "why", 2)
    assert count(engine, "play_history") == 0


def test_missing_dead_letters_are_skipped(stream: EventStream, engine: Engine) -> None:
    assert Desk(engine, stream).retry([1, 2, 3], now=NOW) == Counter()
    assert discard(engine, [1, 2, 3]) == 0
    assert stream.books().balanced


def test_retrying_a_dead_letter_twice_moves_the_books_once(stream: EventStream, engine: Engine) -> None:
    (letter_id,) = buried(stream, engine, play_payload(user="eve"), create_users=False)
    assert Desk(engine, stream).retry([letter_id, letter_id], now=NOW) == {Outcome.RECORDED: 1}
    assert (stream.books().recorded, stream.books().dead) == (1, 0)


def test_a_retry_keeps_exactly_the_letters_that_fail_again(stream: EventStream, engine: Engine) -> None:
    ids = buried(
        stream, engine, b"{", play_payload("a", user="eve"), b"[]", play_payload("b", user="eve"), create_users=False
    )
    assert Desk(engine, stream).retry(ids, now=NOW) == {Outcome.RECORDED: 2, Outcome.DEAD: 2}
    assert count_by_reason(engine) == {"invalid_json": 1, "wrong_type": 1}
    assert stream.books().balanced


def test_a_user_deleted_between_two_retries_is_created_again(stream: EventStream, engine: Engine) -> None:
    first, second = buried(
        stream, engine, play_payload("a", user="eve"), play_payload("b", user="eve"), create_users=False
    )
    desk = Desk(engine, stream)
    desk.retry([first], now=NOW)
    with transaction(engine) as session:
        session.execute(text("DELETE FROM app_users"))
    assert desk.retry([second], now=NOW) == {Outcome.RECORDED: 1}


def test_discarded_dead_letters_still_count_in_the_books(stream: EventStream, engine: Engine) -> None:
    first, second = buried(stream, engine, b"{", b"[]")
    assert discard(engine, [first]) == 1
    assert [letter.id for letter in find(engine)] == [second]
    assert get(engine, first) is None
    assert (stream.books().dead, stream.books().balanced) == (2, True)


def test_more_letters_are_discarded_than_a_statement_can_bind(engine: Engine) -> None:
    litter(engine, 66_000, b"{")
    assert discard(engine, [*numbers(engine), 66_001]) == 66_000
    assert count(engine, "dead_letters") == 0


def test_letters_are_discarded_in_transactions_of_a_thousand(engine: Engine) -> None:
    litter(engine, 2_500, b"{")
    left = []
    assert discard(engine, numbers(engine), deleted=lambda _: left.append(count(engine, "dead_letters"))) == 2_500
    assert left == [1_500, 500, 0]


def test_old_letters_are_discarded_in_transactions_too(engine: Engine) -> None:
    litter(engine, 2_500, b"{")
    commits: list[object] = []
    listen(engine, "commit", commits.append)
    assert discard_older(engine, datetime.now(UTC) + timedelta(days=1)) == 2_500
    assert len(commits) == 3


def test_a_letter_tried_again_meanwhile_is_not_old(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    litter(engine, 2, b"{")
    then = datetime.now(UTC) + timedelta(days=1)

    @contextmanager
    def retried_first(engine: Engine) -> Iterator[Session]:
        with transaction(engine) as session:
            session.execute(update(DeadLetter).where(DeadLetter.id == 1).values(updated_at=then))
        with transaction(engine) as session:
            yield session

    monkeypatch.setattr("worker.operations.dead_letters.transaction", retried_first)
    assert discard_older(engine, then) == 1
    assert numbers(engine) == [1]


def test_a_retry_reports_each_letter_as_it_is_done(stream: EventStream, engine: Engine) -> None:
    ids = buried(stream, engine, b"{", play_payload("a", user="eve"), b"[]", create_users=False)
    recorded: list[int] = []
    Desk(engine, stream).retry([*ids, 77], now=NOW, tried=lambda _: recorded.append(stream.books().recorded))
    assert recorded == [0, 1, 1, 1]


def test_dead_letters_are_counted_and_found_by_reason(stream: EventStream, engine: Engine) -> None:
    buried(stream, engine, b"{", b"[]", b"}", json.dumps({"type": "yodel"}).encode())
    assert count_by_reason(engine) == {"invalid_json": 2, "unknown_type": 1, "wrong_type": 1}
    assert [letter.payload for letter in find(engine, reason="invalid_json")] == [b"{", b"}"]
    assert [letter.payload for letter in find(engine, limit=2)] == [b"{", b"[]"]


def test_without_dead_letters_nothing_is_counted_or_found(engine: Engine) -> None:
    assert count_by_reason(engine) == {}
    assert find(engine) == []


def test_good_events_leave_no_dead_letters(stream: EventStream, engine: Engine) -> None:
    stream.append(play_payloads(3))
    Drain(stream, engine, "a").run()
    assert find(engine) == []
