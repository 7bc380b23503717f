"""Requests as players send them, each listen at another second, written down before any clock runs."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from worker.protocols.listenbrainz import submission_of

USER: Final = "ada"
_NOW: Final = datetime(2026, 11, 1, tzinfo=UTC)
_BEGIN_S: Final = 1_600_000_000
_SINGLES: Final = 20_000
# More than a round takes of them.
_BATCHES: Final = 1_000
BATCH: Final = 100


def singles() -> list[bytes]:
    """Submissions of one listen, about 430 bytes each, as Navidrome's."""
    return [_submission("single", [_listen(number)]) for number in range(_SINGLES)]


def single() -> bytes:
    """The first of `singles`."""
    return _submission("single", [_listen(0)])


def imports() -> list[bytes]:
    """Submissions of a hundred listens."""
    return [_submission("import", listens) for listens in _batches()]


def payloads() -> list[bytes]:
    """What the listens of `singles` are in the stream."""
    return [
        item.payload
        for number in range(_SINGLES)
        for item in submission_of(_submission("single", [_listen(number)]), user=USER, now=_NOW).items
    ]


def json_lines() -> list[bytes]:
    """Bodies for /v1/events, of a hundred events each."""
    events = payloads()
    return [b"\n".join(events[start : start + BATCH]) for start in range(0, len(events), BATCH)]


def _batches() -> Iterator[list[dict[str, Any]]]:
    for number in range(_BATCHES):
        yield [_listen(number * BATCH + index) for index in range(BATCH)]


def _submission(kind: str, listens: list[dict[str, Any]]) -> bytes:
    return json.dumps({"listen_type": kind, "payload": listens}, separators=(",", ":")).encode()


def _listen(number: int) -> dict[str, Any]:
    info = {
        "media_player": "Navidrome",
        "submission_client": "Navidrome",
        "submission_client_version": "0.55.2",
        "tracknumber": number % 12 + 1,
        "recording_mbid": f"f1b1cf71-bd35-4e99-8624-{number:012x}",
        "release_mbid": "bf24ca37-25f4-4e34-9aec-460b94364cfc",
        "duration_ms": 184_000 + number % 1_000,
    }
    meta = {
        "artist_name": f"Artist {number % 500}",
        "track_name": f"A song of some length {number % 10_000}",
        "release_name": f"Album {number % 2_000}",
        "additional_info": info,
    }
    return {"listened_at": _BEGIN_S + number, "track_metadata": meta}
