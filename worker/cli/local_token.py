"""A token for the person at this machine: `zik up` prints the same one each time."""

import getpass
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Engine

from worker.contract.events import MAX_USER
from worker.contract.identity import typed_user
from worker.operations import tokens

_NAME: Final = "zik up"


class LocalToken(NamedTuple):
    """Whose token it is, and its text."""

    username: str
    text: str


def local_token(engine: Engine, folder: Path, *, username: str | None = None) -> LocalToken:
    """The token that lies in the folder, readable by its owner alone; another one if that is none, or was revoked.

    `username`: whose another one is, by default that of the person who runs zik.
    """
    path = folder / "token"
    text = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    known = tokens.find(engine, tokens.digest_of(text)) if text else None
    if known is not None:
        return LocalToken(known.username, text)
    username = username or _this_person()
    forgotten = [row.id for row in tokens.listed(engine, username) if row.name == _NAME]
    tokens.revoke(engine, forgotten)
    text = tokens.create(engine, username, name=_NAME, scopes=(tokens.Scope.SUBMIT, tokens.Scope.READ))
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(f"{text}\n", encoding="utf-8")
    return LocalToken(username, text)


def _this_person() -> str:
    try:
        name = typed_user(getpass.getuser())
    except (KeyError, OSError):  # A container's user may have no name.
        name = ""
    return name[:MAX_USER] or "me"
