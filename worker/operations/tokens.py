import hashlib
from enum import StrEnum
from typing import NamedTuple
from uuid import uuid4

from sqlalchemy import select, update

from worker.database.engine import snapshot, transaction
from worker.models import User
from worker.models.token import AccessToken


class Scope(StrEnum):
    SUBMIT = "submit"
    READ = "read"
    ADMIN = "admin"


class Token(NamedTuple):
    id: int
    username: str
    name: str
    scopes: frozenset
    audioscrobbler: str | None


def create(engine, username, *, name, scopes, audioscrobbler=False):
    text = str(uuid4())
    with transaction(engine) as s:
        u = s.scalar(select(User).where(User.username == username))
        if u is None:
            u = User(username=username).save(s)
        AccessToken(
            user_id=u.id,
            digest=hashlib.sha256(text.encode()).hexdigest(),
            name=name,
            scopes=" ".join(scopes),
            audioscrobbler=hashlib.md5(text.encode()).hexdigest() if audioscrobbler else None,
        ).save(s)
    return text


def find(engine, digest):
    with snapshot(engine) as s:
        row = s.execute(
            select(AccessToken, User.username)
            .join(User, User.id == AccessToken.user_id)
            .where(AccessToken.digest == digest)
        ).first()
        if row is None:
            return None
        t, u = row
        return Token(t.id, u, t.name, frozenset(map(Scope, t.scopes.split())), t.audioscrobbler)


def touch(engine, used):
    with transaction(engine) as s:
        for i, at in used.items():
            s.execute(update(AccessToken).where(AccessToken.id == i).values(last_used_at=at))
