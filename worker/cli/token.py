from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from worker.cli.terminal import AsJson, complain, console, errors, plain, print_json, say
from worker.contract.identity import typed_user
from worker.database.engine import opened_engine
from worker.errors import TokenRefusedError
from worker.escaping import printable
from worker.operations import tokens
from worker.operations.tokens import ListedToken, Scope
from worker.settings import load_settings
from worker.stream.inspection import StreamInspector

desk = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Tokens, with which players log in at the HTTP server: create, list, revoke.",
)

_MOST: int = 2**63 - 1
NOT_ANNOUNCED = (
    "Redis could not pass it on: HTTP servers that run may accept the revoked tokens for another minute, until they "
    "look them up again"
)

User = Annotated[str, typer.Option("--user", "-u", help="Whose token it is; created if zik does not know the user.")]
MaybeUser = Annotated[str | None, typer.Option("--user", "-u", help="Only tokens of this user.")]
Name = Annotated[str, typer.Option("--name", "-n", help="What you call it, such as the player: one for each player.")]
Scopes = Annotated[
    list[Scope], typer.Option("--scope", help="What it may do, repeatable. admin may do both, for every user.")
]
AudioScrobbler = Annotated[
    bool, typer.Option("--audioscrobbler", help="Also for AudioScrobbler 1.2 and Last.fm: stores the token's MD5, too.")
]
Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", min=1, max=_MOST, help="Ids of tokens.")]
All = Annotated[bool, typer.Option("--all", help="Every token of --user.")]


@desk.command()
def create(
    *,
    user: User,
    name: Name,
    scopes: Scopes = [Scope.SUBMIT, Scope.READ],  # noqa: B006 -- typer copies it
    audioscrobbler: AudioScrobbler = False,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, alone on standard output. It is shown this once."""
    with opened_engine(load_settings().database_url) as engine:
        text = tokens.create(engine, user, name=name, scopes=scopes, audioscrobbler=audioscrobbler)
    granted = sorted(set(scopes))
    if as_json:
        facts = {"user": typed_user(user), "name": name.strip(), "scopes": granted, "audioscrobbler": audioscrobbler}
        print_json({"token": text, **facts})
        return
    say(text)
    _explain(
        f"The token '{printable(name.strip())}' of '{printable(typed_user(user))}' may {', '.join(granted)}. zik keeps "
        "only its digest, so copy it now. `zik token revoke` ends it."
    )


@desk.command("list")
def list_tokens(*, user: MaybeUser = None, as_json: AsJson = False) -> None:
    """List tokens with their last use, to a minute or so. The tokens themselves are stored nowhere."""
    with opened_engine(load_settings().database_url) as engine:
        found = tokens.listed(engine, None if user is None else typed_user(user))
    if as_json:
        print_json([_as_json(token) for token in found])
        return
    if not found:
        _explain("There are no tokens. `zik token create` makes one.")
        return
    table = Table(title="Tokens (times in UTC)", title_justify="left")
    for heading in ("id", "user", "name", "scopes", "audioscrobbler", "created", "last used"):
        table.add_column(heading, overflow="fold")
    for token in found:
        table.add_row(
            str(token.id),
            plain(token.username),
            plain(token.name),
            " ".join(token.scopes),
            "yes" if token.audioscrobbler else "no",
            _minute(token.created_at),
            _minute(token.last_used_at),
        )
    console.print(table)


@desk.command()
def revoke(ids: Ids = None, *, user: MaybeUser = None, every: All = False, as_json: AsJson = False) -> None:
    """Delete tokens for good, at once: HTTP servers that run forget them too."""
    if bool(ids) == (user is not None) or every != (user is not None):
        raise typer.BadParameter("select the tokens in one way: by id, or with --user NAME --all")
    settings = load_settings()
    with opened_engine(settings.database_url) as engine:
        digests = tokens.revoke(engine, ids) if ids else _revoke_all(engine, typed_user(user or ""))
    with StreamInspector.opened(settings.redis_url) as stream:
        announced = tokens.announce_revoked(stream, digests)
    if as_json:
        print_json({"revoked": len(digests), "announced": announced})
    else:
        console.print(f"revoked {len(digests):,}", highlight=False)
    if not announced:
        complain(NOT_ANNOUNCED)


def _revoke_all(engine: Any, username: str) -> list[str]:
    digests = tokens.revoke_all(engine, username)
    if not digests:
        # A name that is spelled wrong must not look like a success.
        raise TokenRefusedError(f"'{printable(username)}' has no token", way_out="see `zik token list`")
    return digests


def _as_json(token: ListedToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "user": token.username,
        "name": token.name,
        "scopes": token.scopes,
        "audioscrobbler": token.audioscrobbler,
        "created": token.created_at.isoformat(),
        "last_used": token.last_used_at and token.last_used_at.isoformat(),
    }


def _minute(at: datetime | None) -> str:
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M}"


def _explain(text: str) -> None:
    """On standard error, so that a script reads only the answer."""
    errors.print(text, markup=False, highlight=False, soft_wrap=True)
