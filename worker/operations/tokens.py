"""Tokens: what lets a player in at the HTTP server, as one user. Shown once, stored as a digest, revoked at once."""

import hashlib
import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum, unique
from typing import Any, Final, NamedTuple
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Engine, Select, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from worker.contract.codec import decode, encode
from worker.database.engine import snapshot, transaction
from worker.database.statement import Statement, instant
from worker.errors import TokenNameTakenError, TokenRefusedError, UnknownTokenError, ZikError
from worker.escaping import steers
from worker.models import AccessToken, User
from worker.recorders.users import resolve_users
from worker.stream.inspection import StreamInspector

logger = logging.getLogger(__name__)

MAX_NAME: Final = 100
# Only its user is looked at.
_EVENT: Final = {"type": "preference", "time": "2021-04-22T05:40:53Z", "key": "token", "value": None}
_ITS_TIME: Final = datetime(2021, 4, 22, 5, 40, 53, tzinfo=UTC)
# Locked in the order of their ids, so that two servers that note the same tokens do not deadlock.
_TOUCH: Final = Statement(
    """
    WITH used AS (
        SELECT stored.id, incoming.used_at FROM {rows} JOIN tokens AS stored USING (id) ORDER BY stored.id {for_update}
    )
    UPDATE tokens SET last_used_at = used.used_at, updated_at = CURRENT_TIMESTAMP
      FROM used
     WHERE tokens.id = used.id AND (tokens.last_used_at IS NULL OR tokens.last_used_at < used.used_at)
    """,
    {"id": "bigint", "used_at": "timestamptz"},
)


@unique
class Scope(StrEnum):
    """What a token may do. Stored: none is ever renamed."""

    SUBMIT = "submit"  # add events of its own user
    READ = "read"  # read what its own user listened to
    ADMIN = "admin"  # do both for every user


class Token(NamedTuple):
    """A token as a request is judged by it. `audioscrobbler` is the MD5 of its text in hex, if that was asked for."""

    id: int
    username: str
    name: str
    scopes: frozenset[Scope]
    audioscrobbler: str | None


class ListedToken(NamedTuple):
    """What may be shown of a token. `last_used_at` is right to a minute or so; None if it was never used."""

    id: int
    username: str
    name: str
    scopes: tuple[Scope, ...]
    audioscrobbler: bool
    created_at: datetime
    last_used_at: datetime | None


def digest_of(text: str) -> str:
    """The SHA-256 of a token's text in hex. Of what cannot be encoded, a digest that no token has."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def create(engine: Engine, username: str, *, name: str, scopes: Collection[Scope], audioscrobbler: bool = False) -> str:
    """Make a token and return its text, a UUIDv4, which is kept nowhere. Creates a user whom zik does not know.

    Args:
        engine: the database.
        username: as typed.
        name: what the owner calls it, once for each user.
        scopes: what it may do.
        audioscrobbler: keep the MD5 of the text too, which AudioScrobbler 1.2 and Last.fm's sessions need.

    Raises:
        InvalidEventError: the contract allows no such user.
        TokenRefusedError: the name is empty, too long, or has control characters.
        TokenNameTakenError: the user has a token of that name.
    """
    user = decode(encode({**_EVENT, "user": username}), now=_ITS_TIME).user
    name, text = _checked(name), str(uuid4())
    row: dict[str, Any] = {
        "digest": digest_of(text),
        "name": name,
        "scopes": " ".join(sorted(set(scopes))),
        "audioscrobbler": hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() if audioscrobbler else None,
    }
    with transaction(engine) as session:
        connection = session.connection()
        row["user_id"] = resolve_users(connection, [user], create=True)[user]
        if not _insert(connection, row):
            raise TokenNameTakenError(user, name)
    return text


def _checked(name: str) -> str:
    trimmed = name.strip()
    if not 0 < len(trimmed) <= MAX_NAME or any(map(steers, trimmed)):
        way_out = f"give it 1 to {MAX_NAME} characters, none of them a control character"
        raise TokenRefusedError("the name of a token is not allowed", way_out=way_out)
    return trimmed


def _insert(connection: Connection, row: Mapping[str, Any]) -> bool:
    """Whether the user had no token of that name. Another transaction that inserts it now is waited for."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(AccessToken).values(**row).on_conflict_do_nothing(index_elements=["user_id", "name"])
    return connection.scalar(statement.returning(AccessToken.id)) is not None


def listed(engine: Engine, username: str | None = None) -> list[ListedToken]:
    """The tokens of a user, or of everyone, by user and then by age."""
    query = (
        select(AccessToken.__table__, User.username)
        .join(User, User.id == AccessToken.user_id)
        .order_by(User.username, AccessToken.id)
    )
    with snapshot(engine) as session:
        rows = session.execute(query if username is None else query.where(User.username == username)).all()
    return [
        ListedToken(
            row.id,
            row.username,
            row.name,
            scopes_of(row.scopes),
            row.audioscrobbler is not None,
            row.created_at,
            row.last_used_at,
        )
        for row in rows
    ]


def scopes_of(stored: str) -> tuple[Scope, ...]:
    """The scopes that this release knows: a newer one may have given others."""
    return tuple(scope for scope in Scope if scope in stored.split())


def find(engine: Engine, digest: str) -> Token | None:
    """The token whose text has this SHA-256."""
    with snapshot(engine) as session:
        row = session.execute(_TOKENS.where(AccessToken.digest == digest)).one_or_none()
    return None if row is None else _token(*row)


def with_id(engine: Engine, token_id: int) -> tuple[Token, str] | None:
    """The token with this id, and its digest: a session of an old protocol names the id."""
    with snapshot(engine) as session:
        row = session.execute(_TOKENS.add_columns(AccessToken.digest).where(AccessToken.id == token_id)).one_or_none()
    if row is None:
        return None
    *columns, digest = row
    return _token(*columns), digest


def of_user_with_audioscrobbler(engine: Engine, username: str) -> list[Token]:
    """The tokens of a user by which a proof made of an MD5 can be checked, oldest first."""
    query = _TOKENS.where(User.username == username, AccessToken.audioscrobbler.is_not(None))
    with snapshot(engine) as session:
        return [_token(*row) for row in session.execute(query.order_by(AccessToken.id))]


_TOKENS: Final[Select[int, str, str, str, str | None]] = select(
    AccessToken.id, User.username, AccessToken.name, AccessToken.scopes, AccessToken.audioscrobbler
).join(User, User.id == AccessToken.user_id)


def _token(token_id: int, username: str, name: str, scopes: str, audioscrobbler: str | None) -> Token:
    return Token(token_id, username, name, frozenset(scopes_of(scopes)), audioscrobbler)


def touch(engine: Engine, used: Mapping[int, datetime]) -> None:
    """Note when tokens were last used, by id, in one statement. Skips revoked ones; an earlier time changes nothing."""
    if used:
        rows = [{"id": token_id, "used_at": instant(at.astimezone(UTC))} for token_id, at in used.items()]
        with transaction(engine) as session:
            _TOUCH.run(session.connection(), rows)


def revoke(engine: Engine, token_ids: Collection[int]) -> list[str]:
    """Delete tokens, all or none, and return their digests: `announce_revoked` makes it take effect at once.

    Raises:
        UnknownTokenError: there is no token of one of the ids. None is deleted.
    """
    with transaction(engine) as session:
        deleted = _delete(session.connection(), AccessToken.id.in_(token_ids))
        if unknown := sorted(set(token_ids) - deleted.keys()):
            raise UnknownTokenError(unknown)
    return list(deleted.values())


def revoke_all(engine: Engine, username: str) -> list[str]:
    """Delete every token of a user, and return their digests as `revoke` does; none if the user has none."""
    with transaction(engine) as session:
        connection = session.connection()
        return delete_of_user(connection, connection.scalar(select(User.id).where(User.username == username)))


def delete_of_user(connection: Connection, user_id: int | None) -> list[str]:
    """Delete every token of a user in the caller's transaction, and return their digests, to be announced after it."""
    return list(_delete(connection, AccessToken.user_id == user_id).values())


def _delete(connection: Connection, condition: ColumnElement[bool]) -> dict[int, str]:
    """Lock in the order of `touch`, then delete. Returns the digests by id."""
    locked = select(AccessToken.id).where(condition).order_by(AccessToken.id).with_for_update()
    statement = delete(AccessToken).where(AccessToken.id.in_(locked)).returning(AccessToken.id, AccessToken.digest)
    return dict(connection.execute(statement).all())


def announce_revoked(stream: StreamInspector, digests: Sequence[str]) -> bool:
    """Tell the HTTP servers that run to forget these tokens, after COMMIT. False if Redis does not pass it on now.

    Then a server that has a token cached goes on accepting it, for a minute at most, until it looks it up again.
    """
    try:
        stream.announce_revoked(digests)
    except ZikError as error:
        logger.debug("revoked tokens were not announced: %s", error)
        return False
    return True
