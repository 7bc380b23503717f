"""Turn each call of a player into one valid event of the contract, with an id that every retry keeps."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

from uuid_utils import uuid7

from worker.client.reporting import Counters
from worker.client.times import as_text, began
from worker.contract.codec import decode, encode
from worker.contract.events import EARLIEST_TIME, VERSION
from worker.errors import InvalidEventError

BeforeSend = Callable[[dict[str, Any]], Mapping[str, Any] | None]

EventId = TypeVar("EventId")

_ANY_TIME: Final = datetime.min.replace(tzinfo=UTC)
_FAR_FUTURE: Final = datetime(9000, 1, 1, tzinfo=UTC)


class EventMethods(ABC, Generic[EventId]):
    """Each method validates the event and returns its id (an async client returns an awaitable of it).

    Raises (all methods):
        InvalidEventError: the event breaks the contract: names the field, the rule and the type of the value.
        ClientClosedError: the client has been closed.
    """

    _source: str | None = None

    @abstractmethod
    def publish(self, event: Mapping[str, Any]) -> EventId:
        """Publish one event, given as the contract's JSON object."""

    def play(
        self,
        *,
        user: str,
        artist: str,
        title: str,
        time: datetime | str | None = None,
        ended: datetime | str | None = None,
        ms_played: int | None = None,
        album: str | None = None,
        duration_ms: int | None = None,
        ids: Mapping[str, str] | None = None,
        artists: Sequence[str] | None = None,
        album_artist: str | None = None,
        context: Mapping[str, Any] | None = None,
        event_id: str | None = None,
    ) -> EventId:
        """Publish that `user` listened to a song, from `time` on, or until `ended`.

        `time` is when listening began. With `ended` it began `ms_played` before that, and without either of them
        `ms_played` before the call. Without `ms_played` the call is the beginning.

        `artist` is the text as it is displayed; `artists` are the names in it, in order, each of which counts.
        """
        known = _without_none(album=album, duration_ms=duration_ms, ids=ids, artists=artists, album_artist=album_artist)
        song = {"title": title, "artist": artist, **known}
        event = self._event("play", user, began(time, ended, ms_played), event_id)
        return self.publish({**event, "song": song, **_without_none(ms_played=ms_played, context=context)})

    def favorite(
        self,
        *,
        user: str,
        artist: str,
        title: str,
        favorite: bool = True,
        time: datetime | str | None = None,
        event_id: str | None = None,
    ) -> EventId:
        """Publish that a song is now a favorite of `user`, or with `favorite=False` no longer is."""
        event = self._event("favorite", user, time, event_id)
        return self.publish({**event, "song": {"title": title, "artist": artist}, "favorite": favorite})

    def preference(
        self, *, user: str, key: str, value: Any, time: datetime | str | None = None, event_id: str | None = None
    ) -> EventId:
        """Publish a preference of `user`: any JSON value; None clears it."""
        return self.publish({**self._event("preference", user, time, event_id), "key": key, "value": value})

    def _event(self, kind: str, user: str, time: datetime | str | None, event_id: str | None) -> dict[str, Any]:
        event = {
            "v": VERSION,
            # Chosen here, once, so that every retry sends the same id.
            "id": event_id or str(uuid7()),
            "type": kind,
            "time": as_text(time),
            "user": user,
        }
        return event if self._source is None else {**event, "source": self._source}


class EventValidator:
    def __init__(self, before_send: BeforeSend | None, counters: Counters) -> None:
        self._before_send = before_send
        self._counters = counters

    def validate(self, event: Mapping[str, Any], *, now: datetime) -> tuple[str, bytes | None]:
        """The event's id and its payload; None if `before_send` withholds it. Raises what `checked_event` raises."""
        try:
            if self._before_send is None:
                return checked_event(event, now=now)
            replacement = self._before_send(dict(event))
            if replacement is not None:
                return checked_event(replacement, now=now)
            self._counters.add(dropped=1)
            return event.get("id") or checked_event(event, now=now)[0], None
        except InvalidEventError:
            self._counters.add(refused=1)
            raise


def checked_event(event: Mapping[str, Any], *, now: datetime) -> tuple[str, bytes]:
    """The id and the payload of a valid event. An event without an id has the one derived from its content.

    `sent_at` is removed, because the sender stamps each try. `now` is the device's clock.

    Raises:
        InvalidEventError: names the field, the rule and the type of the value.
    """
    if "sent_at" in event:
        event = {name: value for name, value in event.items() if name != "sent_at"}
    payload = encode(event)
    # A device without a clock battery starts in 1970, and so do its events. The worker corrects them by the stamp.
    earliest = EARLIEST_TIME if now >= EARLIEST_TIME else _ANY_TIME
    return decode(payload, now=now, earliest=earliest).id, payload


def id_of(payload: bytes) -> str:
    """The id of an event that has been checked. The device's clock may have changed since, so any time is accepted."""
    return decode(payload, now=_FAR_FUTURE, earliest=_ANY_TIME).id


def _without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
