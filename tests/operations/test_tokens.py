"""Tokens in the database: shown once, found by digest, told apart by name, revoked for good."""

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import pytest
import redis
from sqlalchemy import Engine, select, text, update

from tests.support.events import accepted, event_id, play
from tests.support.processes import count, eventually
from worker.database.engine import snapshot, transaction
from worker.errors import InvalidEventError, TokenNameTakenError, TokenRefusedError, UnknownTokenError
from worker.models import AccessToken, User
from worker.operations.token_use import count_by_last_use
from worker.operations.tokens import (
    ListedToken,
    Scope,
    Token,
    announce_revoked,
    create,
    digest_of,
    find,
    listed,
    of_user_with_audioscrobbler,
    revoke,
    revoke_all,
    touch,
)
from worker.recorders.batch import record_batch
from worker.recorders.known import Known
from worker.stream.consumer import EventStream
from worker.stream.inspection import StreamInspector
from worker.stream.keys import REVOKED

BOTH: Final = (Scope.SUBMIT, Scope.READ)
AT: Final = datetime(2026, 11, 28, 12, tzinfo=UTC)


def new(engine: Engine, user: str = "ada", name: str = "phone", *scopes: Scope, audioscrobbler: bool = False) -> str:
    return create(engine, user, name=name, scopes=scopes or BOTH, audioscrobbler=audioscrobbler)


def ids(engine: Engine) -> list[int]:
    with snapshot(engine) as session:
        return list(session.scalars(select(AccessToken.id).order_by(AccessToken.id)))


def last_used(engine: Engine) -> dict[int, datetime | None]:
    return {token.id: token.last_used_at for token in listed(engine)}


def test_a_token_is_a_random_uuid_and_stands_nowhere_in_the_database(engine: Engine) -> None:
    made = [new(engine, name=str(number), audioscrobbler=True) for number in range(3)]
    assert [UUID(token).version for token in made] == [4, 4, 4]
    assert len(set(made)) == 3
    with snapshot(engine) as session:
        stored = str(session.execute(select(AccessToken.__table__)).all())
    assert [token for token in made if token in stored or UUID(token).hex in stored] == []


def test_a_token_is_found_by_the_digest_of_its_text(engine: Engine) -> None:
    token, other = new(engine), new(engine, "bob", "laptop", Scope.ADMIN)
    assert find(engine, digest_of(token)) == Token(1, "ada", "phone", frozenset(BOTH), None)
    assert find(engine, digest_of(other)) == Token(2, "bob", "laptop", frozenset({Scope.ADMIN}), None)
    assert digest_of(token) == hashlib.sha256(token.encode()).hexdigest()


@pytest.mark.parametrize("wrong", ["", "guess", "\udc80", "\0", "8f3471b5-7e6a-48da-86a9-c1c07a0f47ae", "ü" * 10_000])
def test_another_text_finds_no_token(engine: Engine, wrong: str) -> None:
    new(engine)
    assert find(engine, digest_of(wrong)) is None


def test_the_digest_is_no_token(engine: Engine) -> None:
    digest = digest_of(new(engine))
    assert find(engine, digest_of(digest)) is None


def test_a_token_creates_its_user_unless_there_is_one(engine: Engine) -> None:
    record(engine, "ada")
    for name in ("ada", "bob", " bob "):
        new(engine, name, repr(name))
    assert [(token.username, token.name) for token in listed(engine)] == [
        ("ada", "'ada'"), ("bob", "'bob'"), ("bob", "' bob '"),
    ]  # fmt: skip
    assert count(engine, "app_users") == 2


def test_the_spellings_of_two_keyboards_are_one_user(engine: Engine) -> None:
    new(engine, "Zoe\u0308")
    with pytest.raises(TokenNameTakenError):
        new(engine, "Zo\u00eb")


@pytest.mark.parametrize("user", ["", " ", "a" * 65, "a\0b", "\ud800"])
def test_a_user_whom_no_event_can_name_gets_no_token(engine: Engine, user: str) -> None:
    with pytest.raises(InvalidEventError, match=r"user|U\+0000|surrogates"):
        new(engine, user)
    assert count(engine, "app_users") == count(engine, "tokens") == 0


@pytest.mark.parametrize("name", ["", "  ", "n" * 101, "a\nb", "\x1b[2J", "a\0", "\u202e"])
def test_a_name_that_could_not_be_shown_is_refused(engine: Engine, name: str) -> None:
    with pytest.raises(TokenRefusedError, match="1 to 100 characters"):
        new(engine, name=name)
    assert count(engine, "app_users") == count(engine, "tokens") == 0


def test_two_users_may_have_a_token_of_one_name_and_one_user_may_not(engine: Engine) -> None:
    token = new(engine, "ada")
    new(engine, "bob")
    with pytest.raises(TokenNameTakenError, match=r"named 'phone' already.*zik token list") as refusal:
        new(engine, "ada", " phone ", Scope.ADMIN)
    assert token not in str(refusal.value)
    assert find(engine, digest_of(token)) == Token(1, "ada", "phone", frozenset(BOTH), None)


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_of_two_tokens_made_at_once_with_one_name_one_is_refused(engine: Engine) -> None:
    together = threading.Barrier(8)

    def make(_: int) -> str:
        together.wait()
        try:
            return new(engine)
        except TokenNameTakenError:
            return ""

    with ThreadPoolExecutor(8) as pool:
        made = list(filter(None, pool.map(make, range(8))))
    assert len(made) == count(engine, "tokens") == count(engine, "app_users") == 1
    assert find(engine, digest_of(made[0])) is not None


def test_the_md5_is_kept_only_where_that_was_asked_for(engine: Engine) -> None:
    token, _, other = new(engine, audioscrobbler=True), new(engine, name="b"), new(engine, "bob", audioscrobbler=True)
    (found,) = of_user_with_audioscrobbler(engine, "ada")
    assert found == find(engine, digest_of(token))
    assert found.audioscrobbler == hashlib.md5(token.encode()).hexdigest()  # noqa: S324 -- the protocol's
    assert [each.audioscrobbler for each in of_user_with_audioscrobbler(engine, "bob")] != [found.audioscrobbler]
    assert other
    assert of_user_with_audioscrobbler(engine, "eve") == []


def test_a_scope_of_a_newer_release_grants_nothing(engine: Engine) -> None:
    token = new(engine)
    with transaction(engine) as session:
        session.execute(update(AccessToken).values(scopes="erase read"))
    found = find(engine, digest_of(token))
    assert found is not None
    assert found.scopes == {Scope.READ}


def test_a_list_shows_when_and_nothing_to_log_in_with(engine: Engine) -> None:
    before = datetime.now(UTC) - timedelta(minutes=5)
    tokens = new(engine, "bob", "b", Scope.READ, audioscrobbler=True), new(engine, "ada", "a", *reversed(BOTH))
    touch(engine, {1: AT})
    found = listed(engine)
    assert [token._replace(created_at=AT) for token in found] == [
        ListedToken(2, "ada", "a", BOTH, audioscrobbler=False, created_at=AT, last_used_at=None),
        ListedToken(1, "bob", "b", (Scope.READ,), audioscrobbler=True, created_at=AT, last_used_at=AT),
    ]
    assert all(token.created_at > before for token in found)
    assert not any(secret in str(found) for token in tokens for secret in (token, digest_of(token)))
    assert [token.id for token in listed(engine, "bob")] == [1]
    assert listed(engine, "eve") == []


def test_the_last_use_is_the_latest_whatever_the_order(engine: Engine) -> None:
    for name in "abc":
        new(engine, name=name)
    later = AT.astimezone() + timedelta(microseconds=1)
    touch(engine, {3: AT, 1: later, 99: AT})
    touch(engine, {1: AT, 3: later})
    touch(engine, {})
    assert last_used(engine) == {1: later, 2: None, 3: later}


def test_tokens_are_counted_by_their_last_use(engine: Engine) -> None:
    assert count_by_last_use(engine, now=AT) == {"day": 0, "week": 0, "longer": 0, "never": 0}
    for number in range(7):
        new(engine, name=str(number))
    ago = [0.0, 0.999, 1.0, 6.999, 7.0, 400.0]
    touch(engine, {number: AT - timedelta(days=days) for number, days in enumerate(ago, start=1)})
    assert count_by_last_use(engine, now=AT) == {"day": 2, "week": 2, "longer": 2, "never": 1}


def test_noting_uses_takes_one_statement(engine: Engine) -> None:
    for name in "abc":
        new(engine, name=name)
    touch(engine, dict.fromkeys(range(1, 70_000), AT))
    assert set(last_used(engine).values()) == {AT}


def test_a_revoked_token_is_gone_and_its_id_is_not_used_again(engine: Engine) -> None:
    first, second = new(engine, name="a"), new(engine, name="b")
    assert revoke(engine, [2]) == [digest_of(second)]
    assert find(engine, digest_of(second)) is None
    assert find(engine, digest_of(first)) is not None
    new(engine, name="b")
    assert ids(engine) == [1, 3]
    assert revoke(engine, []) == []


def test_with_an_unknown_id_nothing_is_revoked(engine: Engine) -> None:
    new(engine)
    with pytest.raises(UnknownTokenError, match=r"there is no token 7, 9; none was revoked: see `zik token list`"):
        revoke(engine, [9, 1, 7])
    assert ids(engine) == [1]


def test_all_tokens_of_a_user_are_revoked_and_no_other(engine: Engine) -> None:
    hers = [new(engine, name=name) for name in "ab"]
    new(engine, "bob")
    assert sorted(revoke_all(engine, "ada")) == sorted(map(digest_of, hers))
    assert [token.username for token in listed(engine)] == ["bob"]
    assert revoke_all(engine, "ada") == revoke_all(engine, "eve") == []
    assert ids(engine) == [3]


def test_tokens_go_with_their_user(engine: Engine) -> None:
    new(engine)
    with transaction(engine) as session:
        session.delete(session.scalars(select(User)).one())
    assert ids(engine) == []


# --- Several processes at once -------------------------------------------------------------------


def record(engine: Engine, *users: str) -> None:
    events = [play(id=event_id(number), user=user) for number, user in enumerate(users, start=1)]
    with transaction(engine) as session:
        record_batch(session.connection(), accepted(*events), known=Known())


_BLOCKED: Final = text(
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


def wait_until_blocked(engine: Engine) -> None:
    def is_blocked() -> bool:
        with snapshot(engine) as session:
            return bool(session.scalar(_BLOCKED))

    eventually(is_blocked, within_s=10)


LATER: Final[dict[str, Callable[[Engine], object]]] = {
    "another server": lambda engine: touch(engine, {2: AT, 1: AT}),
    "revoke": lambda engine: revoke(engine, [2, 1]),
    "revoke all": lambda engine: revoke_all(engine, "ada"),
}


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
@pytest.mark.parametrize("later", LATER)
def test_who_waits_for_a_token_holds_none_that_comes_after_it(engine: Engine, later: str) -> None:
    """So that two never wait for each other: whoever holds the first token can have the second one."""
    # By name, the order of the index by user, the second token comes first.
    for name in "ba":
        new(engine, name=name)
    with ThreadPoolExecutor(1) as pool, ExitStack() as first:
        connection = first.enter_context(transaction(engine)).connection()
        connection.execute(text("SELECT id FROM tokens WHERE id = 1 FOR UPDATE"))
        done = pool.submit(LATER[later], engine)
        wait_until_blocked(engine)
        connection.execute(text("SELECT id FROM tokens WHERE id = 2 FOR UPDATE NOWAIT"))
        first.close()
        done.result(20)


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_token_is_made_while_a_recorder_records_its_user(engine: Engine) -> None:
    record(engine, "ada")
    with transaction(engine) as session:
        record_batch(session.connection(), accepted(play(id=event_id(9), user="ada")), known=Known())
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(new, engine, "ada").result(10)


# --- Announcements -------------------------------------------------------------------------------


def test_each_revoked_digest_is_announced(stream: EventStream, valkey: "redis.Redis") -> None:
    with valkey.pubsub() as hearing:  # type: ignore[no-untyped-call]  # redis-py's own
        hearing.subscribe(REVOKED)
        assert hearing.get_message(timeout=5)
        assert announce_revoked(stream, ["one", "two"])
        heard = [hearing.get_message(timeout=5) for _ in range(2)]
    assert [message and message["data"] for message in heard] == [b"one", b"two"]


def test_without_redis_an_announcement_says_that_it_was_not_made(caplog: pytest.LogCaptureFixture) -> None:
    with StreamInspector.opened("redis://127.0.0.1:1/0") as stream:
        assert not announce_revoked(stream, ["digest-canary"])
    assert "digest-canary" not in caplog.text
