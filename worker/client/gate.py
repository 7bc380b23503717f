"""The gate that every event passes at the call: the same rules as the worker's, applied to the very bytes it gets."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from worker.client.counters import Counters
from worker.codec import decode, encode
from worker.errors import InvalidEventError

BeforeSend = Callable[[dict[str, Any]], Mapping[str, Any] | None]


def checked_event(event: Mapping[str, Any]) -> tuple[str, bytes]:
    """The id and the payload of a valid event. One that came without an id has the one derived from its content.

    Raises:
        InvalidEventError: names the field, the rule and the type of the value.
    """
    payload = encode(event)
    return decode(payload, now=datetime.now(UTC)).id, payload


class Gate:
    def __init__(self, before_send: BeforeSend | None, counters: Counters) -> None:
        self._before_send = before_send
        self._counters = counters

    def admit(self, event: Mapping[str, Any]) -> tuple[str, bytes | None]:
        """The event's id and its payload, None where `before_send` withholds it. Raises what `checked_event` does."""
        try:
            if self._before_send is None:
                return checked_event(event)
            sent = self._before_send(dict(event))
            if sent is not None:
                return checked_event(sent)
            self._counters.add(dropped=1)
            return event.get("id") or checked_event(event)[0], None
        except InvalidEventError:
            self._counters.add(refused=1)
            raise
