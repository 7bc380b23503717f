"""The gate that every event passes at the call: the same rules as the worker's, applied to the very bytes it gets."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from worker.client.counters import Counters
from worker.codec import decode, encode
from worker.errors import InvalidEventError

BeforeSend = Callable[[dict[str, Any]], Mapping[str, Any] | None]


class Checked(NamedTuple):
    """A valid event. One that came without an id has the one derived from its content."""

    id: str
    payload: bytes


def checked_event(event: Mapping[str, Any]) -> Checked:
    """Encode and validate.

    Raises:
        InvalidEventError: names the field, the rule and the type of the value.
    """
    payload = encode(event)
    return Checked(decode(payload, now=datetime.now(UTC)).id, payload)


class Gate:
    def __init__(self, before_send: BeforeSend | None, counters: Counters) -> None:
        self._before_send = before_send
        self._counters = counters

    def admit(self, event: Mapping[str, Any]) -> tuple[str, Checked | None]:
        """The event's id, and the event unless `before_send` withholds it. Raises what `checked_event` raises."""
        try:
            if self._before_send is None:
                checked = checked_event(event)
                return checked.id, checked
            sent = self._before_send(dict(event))
            if sent is None:
                self._counters.add(dropped=1)
                return event.get("id") or checked_event(event).id, None
            checked = checked_event(sent)
        except InvalidEventError:
            self._counters.add(refused=1)
            raise
        return checked.id, checked
