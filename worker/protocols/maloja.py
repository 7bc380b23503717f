"""Read a scrobble of Maloja's API as a play, and write the answers that its clients expect.

POST /apis/mlj_1/newscrobble by maloja/apis/native_v1.py in krateng/maloja, which takes its parameters from a form, the
query or JSON; as Web Scrobbler sends it (src/core/scrobbler/maloja/maloja-scrobbler.ts).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from worker.contract.events import PlayEvent
from worker.protocols import submission, values
from worker.protocols.submission import Item

# Others, such as the key, may be secrets.
_SHOWN: Final = ("artist", "artists", "title", "album", "albumartists", "duration", "length", "time")


def scrobble_of(params: Mapping[str, Any], *, user: str, client: str | None, now: datetime) -> Item:
    """Read newscrobble. Without a time it is about a song that begins now.

    Args:
        params: of the query and of the form or JSON; a parameter that is repeated has a list.
        user: the key's.
        client: the name of the client, if the request tells it.
        now: the server's clock, aware.
    """
    # Maloja takes 0 and an empty text for no time, too.
    time = values.epoch_time("time", _one(params.get("time")) or None)
    return submission.play(
        submission.song(
            _one(params.get("title")),
            _joined(_names(params)),
            album=_one(params.get("album")),
            duration_ms=values.seconds(_one(params.get("length"))),
            artists=_names(params) if "artists" in params or isinstance(params.get("artist"), list) else None,
            album_artist=_joined(_list(params.get("albumartists"))),
        ),
        user=user,
        time=(now.astimezone(UTC).replace(microsecond=0), None) if time == (None, None) else time,
        now=now,
        received={name: params[name] for name in _SHOWN if name in params},
        ms_played=values.seconds(_one(params.get("duration"))),
        source=client,
    )


def key_of(params: Mapping[str, Any]) -> str | None:
    """The token, which Maloja calls a key."""
    key = _one(params.get("key"))
    return key if isinstance(key, str) and key else None


def _one(value: Any) -> Any:
    """The value of a parameter that counts once; of a repeated one the last."""
    return (value[-1] if value else None) if isinstance(value, list) else value


def _names(params: Mapping[str, Any]) -> list[Any]:
    """The names of `artist`, which may be repeated, and of `artists`."""
    return [name for of in ("artist", "artists") for name in _list(params.get(of))]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _joined(names: list[Any]) -> Any:
    """The names as one text, as in an import of Maloja's export. Another type is the contract's to refuse."""
    if not names:
        return None
    return next((name for name in names if not isinstance(name, str)), ", ".join(filter(_is_text, names)))


def _is_text(name: Any) -> bool:
    return isinstance(name, str) and bool(name.strip())


def answer(item: Item) -> tuple[int, dict[str, Any]]:
    """Status and body for a scrobble, once Redis has it if it is accepted."""
    if not isinstance(item.event, PlayEvent):
        return 400, error("missing_scrobble_data", item.error.detail if item.error else "")
    song = item.event.song
    return 200, {"status": "success", "track": {"artists": song.artists or [song.artist], "title": song.title}}


def error(kind: str, text: str) -> dict[str, Any]:
    """The body of a failure. Maloja's types are `missing_scrobble_data`, `server_not_ready` and others."""
    return {"status": "failure", "error": {"type": kind, "value": None, "desc": text}}
