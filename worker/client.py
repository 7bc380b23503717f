"""Publish events from Python: the player's side. Needs neither Celery nor SQLAlchemy."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self

from uuid_utils import uuid7

from worker.codec import decode, encode
from worker.errors import InvalidEventError, Reason
from worker.events import VERSION
from worker.stream import EventStream

_CHUNK: Final = 500


class Client:
    """A publisher. Each call validates the event, gives it an id and returns once Redis has accepted it.

    >>> with Client("redis://127.0.0.1:6379/0") as client:          # doctest: +SKIP
    ...     client.play(user="ada", artist="Tool", title="Parabola", ms_played=181_200)

    Raises (all methods):
        InvalidEventError: the event breaks the contract; nothing was sent.
        StreamFullError: Redis is full; publish again later, with the same id.
        StreamUnavailableError: Redis is away. It may have accepted the event all the same: publishing it again with
            the same id never doubles it.
    """

    def __init__(self, url: str, *, source: str | None = None) -> None:
        self._stream = EventStream.at(url)
        self._source = source

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
    ) -> str:
        """Publish that `user` began listening to a song at `time` (now, if not given), and return the event's id."""
        song = _present(title=title, artist=artist, album=album, duration_ms=duration_ms, ids=ids)
        return self._publish("play", time, event_id, user=user, song=song, ms_played=ms_played, context=context)

    def favorite(
        self,
        *,
        user: str,
        artist: str,
        title: str,
        favorite: bool = True,
        time: datetime | str | None = None,
        event_id: str | None = None,
    ) -> str:
        """Publish that a song is now a favorite of `user`, or with `favorite=False` no longer one."""
        song = {"title": title, "artist": artist}
        return self._publish("favorite", time, event_id, user=user, song=song, favorite=favorite)

    def preference(
        self, *, user: str, key: str, value: Any, time: datetime | str | None = None, event_id: str | None = None
    ) -> str:
        """Publish a preference of `user`: any JSON, where None clears it."""
        event = self._event("preference", time, event_id, user=user, key=key)
        return self.publish({**event, "value": value})

    def publish(self, event: Mapping[str, Any]) -> str:
        """Publish one event given as the contract's JSON object, and return its id."""
        return self.publish_many([event])[0]

    def publish_many(self, events: Iterable[Mapping[str, Any]]) -> list[str]:
        """Publish events in order and return their ids; an event without an id keeps the one derived from its content.

        All are validated before the first one is sent.
        """
        checked = [checked_event(event) for event in events]
        waiting = iter(checked)
        while chunk := list(islice(waiting, _CHUNK)):
            self._stream.append(payload for _, payload in chunk)
        return [event_id for event_id, _ in checked]

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _publish(self, kind: str, time: datetime | str | None, event_id: str | None, **fields: Any) -> str:
        return self.publish(self._event(kind, time, event_id, **fields))

    def _event(self, kind: str, time: datetime | str | None, event_id: str | None, **fields: Any) -> dict[str, Any]:
        return _present(
            v=VERSION,
            # Made here, once: whatever is tried again, is tried again with this id.
            id=event_id or str(uuid7()),
            type=kind,
            time=_written(time),
            source=self._source,
            **fields,
        )


def checked_event(event: Mapping[str, Any]) -> tuple[str, bytes]:
    """The id and the payload of a valid event.

    Raises:
        InvalidEventError: names the field and the rule.
    """
    payload = encode(dict(event))
    return decode(payload, now=datetime.now(UTC)).id, payload


def _written(time: datetime | str | None) -> str:
    if isinstance(time, str):
        return time
    moment = datetime.now().astimezone() if time is None else time
    if moment.tzinfo is None:
        raise InvalidEventError(Reason.INVALID_VALUE, "time: must have a timezone; a naive datetime means no instant")
    return moment.isoformat()


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
