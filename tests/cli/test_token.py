"""`zik token`, as its user and their scripts call it."""

import json
from pathlib import Path
from uuid import UUID

import pytest
import redis
from sqlalchemy import Engine

from tests.support.commands import Zik, zik_at
from worker.cli.token import NOT_ANNOUNCED
from worker.operations.tokens import Scope, digest_of, find, listed
from worker.stream.keys import REVOKED


@pytest.fixture
def zik(engine: Engine, redis_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zik:
    return zik_at(engine, redis_url, monkeypatch, capfd)


def new(zik: Zik, name: str = "phone", user: str = "ada", *more: str) -> str:
    answer = zik("token", "create", "--user", user, "--name", name, *more)
    assert answer.code == 0, answer.err
    return answer.out.removesuffix("\n")


def test_the_token_stands_alone_on_standard_output(zik: Zik, engine: Engine) -> None:
    answer = zik("token", "create", "--user", " ada ", "--name", "phone")
    token = answer.out.removesuffix("\n")
    assert str(UUID(token)) == token
    assert answer.err == (
        "The token 'phone' of 'ada' may read, submit. zik keeps only its digest, so copy it now. `zik token revoke` "
        "ends it.\n"
    )
    found = find(engine, digest_of(token))
    assert found is not None
    assert (found.username, found.audioscrobbler) == ("ada", None)
    assert found.scopes == {Scope.SUBMIT, Scope.READ}


@pytest.mark.parametrize(
    ("options", "scopes"),
    [
        (["--scope", "read"], {Scope.READ}),
        (["--scope", "submit", "--scope", "admin"], {Scope.SUBMIT, Scope.ADMIN}),
    ],
)
def test_a_token_has_the_scopes_that_were_asked_for(
    zik: Zik, engine: Engine, options: list[str], scopes: set[Scope]
) -> None:
    found = find(engine, digest_of(new(zik, "phone", "ada", *options)))
    assert found is not None
    assert found.scopes == scopes


def test_a_program_reads_the_token_and_what_it_may_do(zik: Zik, engine: Engine) -> None:
    answer = zik("token", "create", "--user", "ada", "--name", "phone", "--audioscrobbler", "--json")
    facts = answer.json
    assert find(engine, digest_of(facts.pop("token"))) is not None
    assert facts == {"user": "ada", "name": "phone", "scopes": ["read", "submit"], "audioscrobbler": True}
    assert answer.err == ""


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--user", "ada", "--name", "phone"], "'ada' has a token named 'phone' already: choose another --name"),
        (["--user", "ada", "--name", "\x1b[2J"], "the name of a token is not allowed"),
        (["--user", "a" * 65, "--name", "phone"], "over_limit: user: "),
    ],
)
def test_a_token_that_cannot_be_made_is_one_line_and_no_token(zik: Zik, options: list[str], complaint: str) -> None:
    new(zik)
    answer = zik("token", "create", *options)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith(f"zik: {complaint}")
    assert answer.err.count("\n") == 1


def test_an_unknown_scope_is_wrong_usage(zik: Zik, engine: Engine) -> None:
    assert zik("token", "create", "--user", "ada", "--name", "phone", "--scope", "erase").code == 2
    assert listed(engine) == []


def test_the_list_shows_no_digest(zik: Zik, engine: Engine) -> None:
    tokens = [new(zik, "[bold]phone", "ada", "--audioscrobbler"), new(zik, "laptop", "bob")]
    table, facts = zik("token", "list"), zik("token", "list", "--json")
    for answer in (table, facts):
        assert answer.code == 0
        assert not any(secret in answer.out for token in tokens for secret in (token, digest_of(token)))
    assert "[bold]phone" in table.out
    assert "never" in table.out
    assert [set(token) for token in facts.json] == [
        {"id", "user", "name", "scopes", "audioscrobbler", "created", "last_used"}
    ] * 2
    assert [(token["id"], token["audioscrobbler"], token["last_used"]) for token in facts.json] == [
        (1, True, None), (2, False, None),
    ]  # fmt: skip
    assert [token["name"] for token in zik("token", "list", "--user", "bob", "--json").json] == ["laptop"]
    assert find(engine, digest_of(tokens[0])) is not None


def test_an_empty_list_names_the_way_to_a_token(zik: Zik) -> None:
    answer = zik("token", "list", "--user", "eve")
    assert (answer.code, answer.out) == (0, "")
    assert "`zik token create`" in answer.err
    assert zik("token", "list", "--json").json == []


@pytest.mark.parametrize("chosen", [["1", "2"], ["--user", "ada", "--all"]])
def test_revoked_tokens_are_gone_and_announced(
    zik: Zik, engine: Engine, valkey: "redis.Redis", chosen: list[str]
) -> None:
    digests = {digest_of(new(zik, name)) for name in ("phone", "laptop")}
    new(zik, "phone", "bob")
    with valkey.pubsub() as hearing:  # type: ignore[no-untyped-call]  # redis-py's own
        hearing.subscribe(REVOKED)
        assert hearing.get_message(timeout=5)
        answer = zik("token", "revoke", *chosen)
        heard = [hearing.get_message(timeout=5) for _ in range(2)]
    assert (answer.code, answer.out, answer.err) == (0, "revoked 2\n", "")
    assert {message["data"].decode() for message in heard if message} == digests
    assert [token.username for token in listed(engine)] == ["bob"]


def test_a_server_hears_of_a_revocation_after_the_commit(
    zik: Zik, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = new(zik)
    there: list[object] = []
    monkeypatch.setattr(
        "worker.stream.inspection.StreamInspector.announce_revoked",
        lambda _, digests: there.extend(find(engine, digest) for digest in digests),
    )
    assert zik("token", "revoke", "1").code == 0
    assert there == [None]
    assert find(engine, digest_of(token)) is None


@pytest.mark.parametrize(
    "chosen", [[], ["1", "--user", "ada", "--all"], ["1", "--all"], ["--all"], ["--user", "ada"], ["0"], [str(2**63)]]
)
def test_tokens_are_revoked_only_if_chosen_in_one_way(zik: Zik, engine: Engine, chosen: list[str]) -> None:
    new(zik)
    assert zik("token", "revoke", *chosen).code == 2
    assert len(listed(engine)) == 1


@pytest.mark.parametrize(
    ("chosen", "complaint"),
    [
        (["1", "7"], "there is no token 7; none was revoked: see `zik token list`"),
        (["--user", "Ada", "--all"], "'Ada' has no token: see `zik token list`"),
    ],
)
def test_revoking_what_is_not_there_is_an_error(zik: Zik, engine: Engine, chosen: list[str], complaint: str) -> None:
    new(zik)
    answer = zik("token", "revoke", *chosen)
    assert (answer.code, answer.err) == (1, f"zik: {complaint}\n")
    assert len(listed(engine)) == 1


def test_without_redis_a_token_is_revoked_and_the_delay_is_named(
    zik: Zik, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    new(zik)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    answer = zik("token", "revoke", "1", "--json")
    assert json.loads(answer.out) == {"revoked": 1, "announced": False}
    assert (answer.code, answer.err) == (0, f"zik: {NOT_ANNOUNCED}\n")
    assert listed(engine) == []


def test_tokens_are_made_without_redis(zik: Zik, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REDIS_URL", f"unix://{tmp_path}/none")
    new(zik)
    assert len(zik("token", "list", "--json").json) == 1
