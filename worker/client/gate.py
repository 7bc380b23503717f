"""The gate that every event passes at the call: the same rules as the worker's, applied to the very bytes it gets."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from worker.client.counters import Counters
from worker.contract.codec import decode, encode
from worker.contract.events import EARLIEST_TIME
from worker.errors import InvalidEventError

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


class Gate:
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
