"""The words of a publisher: play, favorite, preference, each made an event of the contract."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

from uuid_utils import uuid7

from worker.client.reporting import Counters
from worker.contract.codec import decode, encode
from worker.contract.events import EARLIEST_TIME, VERSION
from worker.errors import InvalidEventError, Reason

BeforeSend = Callable[[dict[str, Any]], Mapping[str, Any] | None]
ANY_TIME: Final = datetime.min.replace(tzinfo=UTC)


def checked_event(event: Mapping[str, Any], *, now: datetime) -> tuple[str, bytes]:
    """The id and the payload of a valid event. One that came without an id has the one derived from its content.

    A `sent_at` is left out: it is stamped when the event is sent. `now` is the device's clock.

    Raises:
        InvalidEventError: names the field, the rule and the type of the value.
    """
    if "sent_at" in event:
        event = {name: value for name, value in event.items() if name != "sent_at"}
    payload = encode(event)
    # A device without a battery for its clock begins anew in 1970, and so do its events: the stamp will correct them.
    earliest = EARLIEST_TIME if now >= EARLIEST_TIME else ANY_TIME
    return decode(payload, now=now, earliest=earliest).id, payload


class EventValidator:
    def __init__(self, before_send: BeforeSend | None, counters: Counters) -> None:
        self._before_send = before_send
        self._counters = counters

    def admit(self, event: Mapping[str, Any], *, now: datetime) -> tuple[str, bytes | None]:
        """The event's id and its payload, None where `before_send` withholds it. Raises what `checked_event` does."""
        try:
            if self._before_send is None:
                return checked_event(event, now=now)
            sent = self._before_send(dict(event))
            if sent is not None:
                return checked_event(sent, now=now)
            self._counters.add(dropped=1)
            return event.get("id") or checked_event(event, now=now)[0], None
        except InvalidEventError:
            self._counters.add(refused=1)
            raise


EventId = TypeVar("EventId")


class EventMethods(ABC, Generic[EventId]):
    """Each word validates the event and returns its id (from an async client: something to await for it).

    Raises (all words):
        InvalidEventError: the event breaks the contract: names the field, the rule and the type of the value.
        ClientClosedError: the client has been closed.
    """

    _source: str | None = None

    @abstractmethod
    def publish(self, event: Mapping[str, Any]) -> EventId:
        """Publish one event given as the contract's JSON object."""

    def play(
        self,
        *,
        user: str,
        artist: str,
        title: str,
        time: datetime | str | None = None,
        ms_played: int | None = None,
        album: str | None = None,
        duration_ms: int | None = None,
        ids: Mapping[str, str] | None = None,
        context: Mapping[str, Any] | None = None,
        event_id: str | None = None,
    ) -> EventId:
        """Publish that `user` began listening to a song at `time` (now, if not given)."""
        song = {"title": title, "artist": artist, **_given(album=album, duration_ms=duration_ms, ids=ids)}
        event = self._event("play", user, time, event_id)
        return self.publish({**event, "song": song, **_given(ms_played=ms_played, context=context)})

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
        """Publish that a song is now a favorite of `user`, or with `favorite=False` no longer one."""
        event = self._event("favorite", user, time, event_id)
        return self.publish({**event, "song": {"title": title, "artist": artist}, "favorite": favorite})

    def preference(
        self, *, user: str, key: str, value: Any, time: datetime | str | None = None, event_id: str | None = None
    ) -> EventId:
        """Publish a preference of `user`: any JSON, where None clears it."""
        return self.publish({**self._event("preference", user, time, event_id), "key": key, "value": value})

    def _event(self, kind: str, user: str, time: datetime | str | None, event_id: str | None) -> dict[str, Any]:
        event = {
            "v": VERSION,
            # Made here, once: whatever is tried again, is tried again with this id.
            "id": event_id or str(uuid7()),
            "type": kind,
            "time": _written(time),
            "user": user,
        }
        return event if self._source is None else {**event, "source": self._source}


def _written(time: datetime | str | None) -> Any:
    if time is None:
        return datetime.now().astimezone().isoformat()
    if not isinstance(time, datetime):
        return time
    if time.tzinfo is None:
        rule = "must have a timezone; a naive datetime means no instant (got datetime)"
        raise InvalidEventError(Reason.INVALID_VALUE, f"time: {rule}")
    return time.isoformat()


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
