"""Read ListenBrainz's submissions and feedback as events, and write the answers that its clients expect.

The fields are those of https://listenbrainz.readthedocs.io/en/latest/users/json.html, the answers those of its server
(metabrainz/listenbrainz-server, webserver/views/api.py and webserver/errors.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple, get_args
from uuid import UUID

from worker.contract.events import SongRef
from worker.contract.identity import song_identity
from worker.errors import MalformedRequestError
from worker.protocols import submission, values
from worker.protocols.listenbrainz_fast_path import common_request
from worker.protocols.listenbrainz_listen import play_of, play_of_json, playing_of
from worker.protocols.submission import Item, NowPlaying

Kind = Literal["single", "import", "playing_now"]
_KINDS: Final[Mapping[str, Kind]] = {kind: kind for kind in get_args(Kind)}


class Submission(NamedTuple):
    """A request to submit-listens: the listens of a `single` or `import`, or what is playing now."""

    kind: Kind
    items: Sequence[Item] = ()
    playing: NowPlaying | None = None


class Feedback(NamedTuple):
    """What a user says of a recording: 1 loves it, -1 hates it, 0 takes either back. One of the two ids is known."""

    identity: str | None
    mbid: str | None
    score: int


# --- Requests -------------------------------------------------------------------------------------


def submission_of(body: bytes, *, user: str, now: datetime) -> Submission:
    """Read the body of submit-listens.

    A listen that the contract refuses is an item with an error. A time in `playing_now` is ignored, and a `single` may
    have several listens.

    Raises:
        MalformedRequestError: it is no submission, or says of no song that it is playing now.
    """
    if (common := common_request(body)) is not None:
        texts = submission.bounded(common.payload)
        return Submission(common.listen_type, [play_of_json(text, user=user, now=now) for text in texts])
    return _tolerant(values.parse_json(body), user=user, now=now)


def _tolerant(request: Any, *, user: str, now: datetime) -> Submission:
    if not isinstance(request, dict):
        raise MalformedRequestError("the body must be a JSON object with listen_type and payload")
    kind = _KINDS.get(str(request.get("listen_type")))
    if kind is None:
        raise MalformedRequestError(f"listen_type: must be one of {', '.join(_KINDS)}")
    sent = request.get("payload")
    listens = [sent] if isinstance(sent, dict) else sent
    if not isinstance(listens, list) or not listens:
        raise MalformedRequestError("payload: must be a list of at least one listen")
    if kind == "playing_now":
        return Submission(kind, playing=playing_of(listens[-1], user=user, now=now))
    return Submission(kind, [play_of(listen, user=user, now=now) for listen in submission.bounded(listens)])


def feedback_of(body: bytes) -> Feedback:
    """Read the body of recording-feedback.

    Raises:
        MalformedRequestError: it names no recording, or has no score of -1, 0 or 1.
    """
    request = values.parse_json(body)
    if not isinstance(request, dict):
        raise MalformedRequestError("the body must be a JSON object with score, and recording_msid or recording_mbid")
    identity = identity_of(request.get("recording_msid"))
    recording = values.mbid(request.get("recording_mbid"))
    if identity is None and recording is None:
        raise MalformedRequestError("recording_msid or recording_mbid: must be a UUID")
    score = request.get("score")
    if isinstance(score, bool) or score not in (-1, 0, 1, "-1", "0", "1"):
        raise MalformedRequestError("score: must be 1, 0 or -1")
    return Feedback(identity, recording, int(score))


def feedback_events(score: int, song: SongRef, *, user: str, now: datetime) -> list[Item]:
    """What a score says of a known song. A hate is a preference beside the withdrawn favorite, and of its time.

    So the hate is over as soon as the favorite has a newer time, whichever player sent it.
    """
    of = {"title": song.title, "artist": song.artist}
    items = [submission.favorite(of, user=user, loved=score > 0, now=now)]
    if score < 0:
        hate = {"type": "preference", "time": now.astimezone(UTC), "user": user}
        items.append(submission.checked({**hate, "key": f"hated.{song.identity}", "value": of}, now=now))
    return items


def client_of(body: bytes) -> str | None:
    """The client that playing-now/delete names; None if any may have sent what is to be removed.

    Raises:
        MalformedRequestError: the body is neither empty nor a JSON object.
    """
    request = values.parse_json(body) if body.strip() else {}
    if not isinstance(request, dict):
        raise MalformedRequestError("the body must be a JSON object")
    return values.optional(request.get("client"), 100)


def deletion_of(body: bytes) -> tuple[datetime, str]:
    """Read the body of delete-listen: when the listen began, and its song's identity.

    Raises:
        MalformedRequestError: it names no listen.
    """
    request = values.parse_json(body)
    if not isinstance(request, dict):
        raise MalformedRequestError("the body must be a JSON object with listened_at and recording_msid")
    at, identity = values.from_epoch(request.get("listened_at")), identity_of(request.get("recording_msid"))
    if at is None or identity is None:
        raise MalformedRequestError("listened_at must be in seconds since 1970, and recording_msid a UUID")
    return at, identity


def latest_import_of(body: bytes) -> int:
    """The time that a client sets as its latest import, in seconds since 1970.

    Raises:
        MalformedRequestError: `ts` is none.
    """
    request = values.parse_json(body)
    ts = request.get("ts", 0) if isinstance(request, dict) else None
    at = values.from_epoch(ts)
    if at is None:
        raise MalformedRequestError("ts: must be in seconds since 1970")
    return int(at.timestamp())


# --- Ids ------------------------------------------------------------------------------------------


def recording_msid(artist: str, title: str) -> str:
    """The song's identity in the form of a UUID, which is all that clients ask of a `recording_msid`."""
    return str(UUID(song_identity(artist, title)))


def identity_of(msid: Any) -> str | None:
    """The identity that a `recording_msid` was made of; None if it is no UUID."""
    known = values.mbid(msid)
    return None if known is None else known.replace("-", "")


# --- Answers --------------------------------------------------------------------------------------


def answer(items: Iterable[Item]) -> tuple[int, dict[str, Any]]:
    """Status and body for the listens of a request, once Redis has those that are accepted.

    The counts and reasons are zik's own; clients look at `status`, or at `code`. ListenBrainz refuses all for one.
    """
    judged = list(items)
    ignored = [
        {"index": index, "reason": item.error.reason.value, "detail": item.error.detail}
        for index, item in enumerate(judged)
        if item.error is not None
    ]
    counts = {"submitted_listens": len(judged) - len(ignored), "ignored_listens": len(ignored), "ignored": ignored}
    if not ignored or counts["submitted_listens"]:
        return 200, {"status": "ok", **counts}
    first = ignored[0]
    return 400, error(400, f"none of {len(ignored)} listens is valid; the first: {first['detail']}") | counts


def playing_answer(playing: NowPlaying, *, with_msid: bool) -> dict[str, Any]:
    """The body for `playing_now`. Pano Scrobbler asks for the id, to send feedback with it."""
    ids = {"recording_msid": recording_msid(playing.song["artist"], playing.song["title"])} if with_msid else {}
    return {"status": "ok", **ids}


def error(code: int, text: str) -> dict[str, Any]:
    """The body of any failure. Navidrome goes by this `code`, not by the status."""
    return {"code": code, "error": text}


def token_answer(user: str | None) -> dict[str, Any]:
    """The body of validate-token, of status 200 either way; None is a token that nobody has."""
    if user is None:
        return {"code": 200, "message": "Token invalid.", "valid": False}
    return {"code": 200, "message": "Token valid.", "valid": True, "user_name": user}
