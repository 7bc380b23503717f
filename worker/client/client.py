"""Publish events from Python: a call validates, returns the event's id, and never waits for Redis unless `sync`."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from worker.client import lifecycle
from worker.client.background import BackgroundDelivery
from worker.client.delivery import Delivery, InlineDelivery, NoDelivery
from worker.client.destination import transport_to, waiting_limit
from worker.client.events import BeforeSend, EventMethods, EventValidator
from worker.client.options import DeliveryOptions
from worker.client.outbox import Outbox
from worker.client.reporting import Counters, ErrorReporter, OnError
from worker.client.sender import Sender
from worker.errors import ClientClosedError
from worker.stream.transport import Transport


class Client(EventMethods[str]):
    """A publisher for all threads of a process. Calls return the event's id at once; threads send it.

    >>> with Client("redis://127.0.0.1:6379/0", outbox="plays.outbox") as client:          # doctest: +SKIP
    ...     client.play(user="ada", artist="Tool", title="Parabola", ms_played=181_200)

    docs/clients.md says which option protects an event against which fault.

    Args:
        url: of the Redis; or `https://`, where `zik serve` is reached.
        token: of the user whose events these are, with `https://`. The server refuses events of other users.
        source: the player's name and version, sent with each event.
        outbox: a file that only clients use, on a local disk. Events stay in it until Redis has acknowledged them.
        max_queue: how many events may wait in memory; further events are dropped.
        max_outbox: how many events may wait in the outbox; further events wait in memory.
        flush_at: this many events are sent at once.
        flush_interval_s: fewer events are sent after this time.
        on_error: called with each `ZikError` that no call raises, in the thread where it occurs: with every
            `EventDroppedError`, with any other once until it is over. Without it they are logged.
        before_send: called with each event before it is validated; returns the event to send, or None to drop it.
        durable: an event counts as sent only when Redis has it on its disk. Not with `https://`.
        max_waiting: while the stream holds this many entries nothing is sent; 0 is no limit, None is
            `ZIK_MAX_WAITING`. With `https://` the server keeps its own limit.
        disabled: validate, and send nothing.
        sync: no threads; a call returns when Redis has acknowledged the event. It raises `StreamUnavailableError` or
            `StreamFullError` if Redis has not acknowledged the event and no outbox keeps it, and `EventDroppedError`
            if the server refuses it.
        transport: sends the batches instead of a connection to `url`. The client closes it, and a forked child uses it.

    Raises:
        OutboxError: the outbox cannot be opened.
        SettingsError: zik serves no such `url`, `token` does not fit it, or `max_waiting` is None and `ZIK_MAX_WAITING`
            is wrong.
        NotDurableError: `durable` with `https://`.
    """

    def __init__(  # noqa: PLR0913
        self,
        url: str,
        *,
        token: str | None = None,
        source: str | None = None,
        outbox: str | Path | None = None,
        max_queue: int = 10_000,
        max_outbox: int = 1_000_000,
        flush_at: int = 100,
        flush_interval_s: float = 0.5,
        on_error: OnError | None = None,
        before_send: BeforeSend | None = None,
        durable: bool = False,
        max_waiting: int | None = None,
        disabled: bool = False,
        sync: bool = False,
        transport: Transport | None = None,
    ) -> None:
        self._url = url
        self._token = token
        self._transport = transport
        self._source = source
        self._before_send = before_send
        self._closed = False
        self._options = DeliveryOptions(
            max_queue=max_queue,
            flush_at=flush_at,
            flush_interval_s=flush_interval_s,
            on_error=on_error,
            durable=durable,
            max_waiting=waiting_limit(url, max_waiting),
            disabled=disabled,
            sync=sync,
        )
        self._outbox = (
            Outbox(Path(outbox).absolute(), max_events=max_outbox, reporter=ErrorReporter(on_error))
            if outbox is not None and not disabled
            else None
        )
        self._reset()
        if self._outbox is not None:
            self._delivery.start()
        lifecycle.register(self)

    def _reset(self) -> None:
        self._counters = Counters()
        self._validator = EventValidator(self._before_send, self._counters)
        self._delivery = self._new_delivery()

    def _new_delivery(self) -> Delivery:
        options = self._options
        if options.disabled:
            return NoDelivery()
        durable, max_waiting = options.durable, options.max_waiting
        transport = self._transport
        if transport is None:
            transport = transport_to(self._url, token=self._token, durable=durable, max_waiting=max_waiting)
        sender = Sender(transport, counters=self._counters, durable=durable, max_waiting=max_waiting)
        if options.sync:
            return InlineDelivery(sender, self._outbox, on_error=options.on_error)
        return BackgroundDelivery(sender, self._outbox, options=options, counters=self._counters)

    @property
    def counters(self) -> Counters:
        """What became of the events so far."""
        return self._counters.snapshot()

    def publish(self, event: Mapping[str, Any]) -> str:
        return self.publish_many([event])[0]

    def publish_many(self, events: Iterable[Mapping[str, Any]]) -> list[str]:
        """Publish events in order and return their ids. An event without an id keeps the one derived from its content.

        All are validated before the first one is sent.
        """
        if self._closed:
            raise ClientClosedError("the client has been closed: make another one")
        # Two flat lists: an object for each event would start the garbage collector, and take a third more time.
        ids: list[str] = []
        payloads: list[bytes] = []
        now = datetime.now(UTC)
        for event in events:
            event_id, payload = self._validator.validate(event, now=now)
            ids.append(event_id)
            if payload is not None:
                payloads.append(payload)
        self._delivery.put(payloads)
        return ids

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until Redis has acknowledged all events published before. False if time ran out; nothing is dropped.

        False, too, once after events in the outbox have become unreadable.
        """
        return self._delivery.flush(timeout_s)

    def flush_outbox(self, timeout_s: float = 5.0) -> bool:
        """Wait until all events published before are on this machine's disk or at Redis. False if time ran out.

        False, too, once after events in the outbox have become unreadable, and while a restart could not find them.
        From then on they survive a crash of the player and of its machine.

        Raises:
            OutboxError: the client has no outbox.
        """
        return self._delivery.flush_outbox(timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Flush and stop. Events in the outbox stay there for the next client; events only in memory are dropped."""
        if not self._closed:
            self._closed = True
            lifecycle.unregister(self)
            self._delivery.close(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- fork: the parent sends what it was given, so a child begins with empty queues ------------------

    def before_fork(self) -> None:
        if self._outbox is not None:
            self._outbox.before_fork()

    def after_fork_in_parent(self) -> None:
        if self._outbox is not None:
            self._outbox.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        if self._outbox is not None:
            self._outbox.after_fork_in_child()
        self._reset()
