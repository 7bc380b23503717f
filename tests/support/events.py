"""The events of the tests: a maker of fields for each type of event, and makers of the payloads that carry them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from worker.contract.codec import decode
from worker.contract.events import Accepted, Event

NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
# A text in place of a user or a song, which must never turn up in an error.
CANARY: Final = "xyzzy-canary"

Fields = dict[str, Any]

# --- Fields -------------------------------------------------------------------------------------


def play(**changes: Any) -> Fields:
    """The fields of a valid play; `...` removes a field, here and in each of these makers."""
    return _changed({"type": "play", "time": "2021-04-22T05:40:53Z", "user": "ada", "song": song()}, changes)


def favorite(**changes: Any) -> Fields:
    return _changed(
        {"type": "favorite", "time": "2021-04-22T05:40:53Z", "user": "ada", "song": song(), "favorite": True}, changes
    )


def preference(**changes: Any) -> Fields:
    return _changed(
        {"type": "preference", "time": "2021-04-22T05:40:53Z", "user": "ada", "key": "mood", "value": "calm"}, changes
    )


def song(**changes: Any) -> Fields:
    return _changed({"title": "Parabola", "artist": "Tool"}, changes)


def _changed(fields: Fields, changes: Fields) -> Fields:
    return {name: value for name, value in (fields | changes).items() if value is not ...}


def event_id(number: int) -> str:
    """Valid ids in the order of their numbers."""
    return f"01938a4e-0000-7000-8000-{number:012x}"


# --- Payloads -----------------------------------------------------------------------------------


def payload(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


def play_payload(title: str = "Parabola", **changes: Any) -> bytes:
    return payload(play(**({"song": song(title=title)} | changes)))


def play_payloads(number: int, *, start: int = 0, **changes: Any) -> list[bytes]:
    """Payloads of different plays: a song for each ten of them, a minute for each."""
    return [
        play_payload(
            f"song {i // 10}",
            time=f"2021-04-{1 + i // 1440 % 28:02d}T{i // 60 % 24:02d}:{i % 60:02d}:00.{i // 40320:03d}Z",
            **changes,
        )
        for i in range(start, start + number)
    ]


# --- Decoded events -----------------------------------------------------------------------------


def event(fields: Mapping[str, Any], entry_id: str | None = None, *, now: datetime = NOW) -> Event:
    return decode(payload(fields), now=now, entry_id=entry_id)


def accepted(*events: Mapping[str, Any], start: int = 1, now: datetime = NOW) -> list[Accepted]:
    """These events as entries of a stream, one millisecond apart, with ids too old to correct a time by.

    `now` is the clock of the worker that reads them: events of the days in which a test runs need the real one.
    """
    return [entry(f"{number}-0", fields, now=now) for number, fields in enumerate(events, start=start)]


def received(*events: Mapping[str, Any]) -> list[Accepted]:
    """These events as entries that Redis received all in one millisecond, `NOW`."""
    return [entry(entry_id_at(NOW, number), fields) for number, fields in enumerate(events)]


def entry(entry_id: str, fields: Mapping[str, Any], *, now: datetime = NOW) -> Accepted:
    return Accepted(entry_id, payload(fields), event(fields, entry_id, now=now))


def entry_id_at(at: datetime, number: int = 0) -> str:
    """The id that Redis gives to an entry at this time."""
    return f"{(at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)}-{number}"
