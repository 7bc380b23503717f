"""The publisher for players written in Python."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from worker.client import lifecycle as processes
from worker.client.background import Background
from worker.client.delivery import Delivery, Inline, Nowhere
from worker.client.events import BeforeSend, EventMethods, EventValidator
from worker.client.options import Options
from worker.client.outbox import Outbox
from worker.client.reporting import Counters, OnError
from worker.client.sender import Sender
from worker.errors import ClientClosedError
from worker.settings import load_settings
from worker.stream.producer import Producer


class Client(EventMethods[str]):
    """A publisher, for all threads of a process. Calls return the event's id at once; threads do the rest.

    >>> with Client("redis://127.0.0.1:6379/0", outbox="plays.outbox") as client:          # doctest: +SKIP
    ...     client.play(user="ada", artist="Tool", title="Parabola", ms_played=181_200)

    Which option makes an event safe against what is in docs/clients.md.

    Args:
        url: of the Redis.
        source: the player's name and version, for each event that it makes.
        outbox: a file of the client's own, on a local disk. Events stay in it until Redis has acknowledged them.
        max_queue: how many events may wait in memory. Of more, the new ones are dropped.
        max_outbox: how many events may wait in the outbox. Of more, the new ones wait in memory.
        flush_at: so many events are sent at once.
        flush_interval_s: fewer are sent after this time.
        on_error: called with each `ZikError` that no call raises, in whatever thread meets it: an
            `EventDroppedError` each time, any other once until it is over. Without it they are logged.
        before_send: called with each event before it is validated; returns what to send, or None to drop it.
        durable: an event counts as sent only when Redis has it on its disk.
        max_waiting: above so many entries in the stream nothing is sent; 0 is no limit, None is `ZIK_MAX_WAITING`.
        disabled: validate, and send nothing.
        sync: no threads; a call returns when Redis has acknowledged the event, and raises
            `StreamUnavailableError` or `StreamFullError` when it has not and no outbox keeps it.

    Raises:
        OutboxError: the outbox cannot be opened.
        SettingsError: `ZIK_MAX_WAITING` was needed, and a setting is wrong.
    """

    def __init__(  # noqa: PLR0913
        self,
        url: str,
        *,
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
    ) -> None:
        self._url = url
        self._source = source
        self._before_send = before_send
        self._closed = False
        self._options = Options(
            max_queue=max_queue,
            flush_at=flush_at,
            flush_interval_s=flush_interval_s,
            on_error=on_error,
            durable=durable,
            max_waiting=load_settings().max_waiting if max_waiting is None else max_waiting,
            disabled=disabled,
            sync=sync,
        )
        self._outbox = Outbox(Path(outbox).absolute(), most=max_outbox) if outbox is not None and not disabled else None
        self._begin()
        if self._outbox is not None:
            self._delivery.start()
        processes.watch(self)

    def _begin(self) -> None:
        self._counters = Counters()
        self._gate = EventValidator(self._before_send, self._counters)
        self._delivery = self._new_delivery()

    def _new_delivery(self) -> Delivery:
        options = self._options
        if options.disabled:
            return Nowhere()
        sender = Sender(
            self._producer(), counters=self._counters, durable=options.durable, max_waiting=options.max_waiting
        )
        if options.sync:
            return Inline(sender, self._outbox, on_error=options.on_error)
        return Background(sender, self._outbox, options=options, counters=self._counters)

    def _producer(self) -> Producer:
        return Producer.at(self._url)

    @property
    def counters(self) -> Counters:
        """What became of the events so far."""
        return self._counters.snapshot()

    def publish(self, event: Mapping[str, Any]) -> str:
        return self.publish_many([event])[0]

    def publish_many(self, events: Iterable[Mapping[str, Any]]) -> list[str]:
        """Publish events in order and return their ids; an event without an id keeps the one derived from its content.

        All are validated before the first one is sent.
        """
        if self._closed:
            raise ClientClosedError("the client has been closed: make another one")
        # Two flat lists: an object for each event would set the garbage collector to work, and take a third more time.
        ids: list[str] = []
        payloads: list[bytes] = []
        now = datetime.now(UTC)
        for event in events:
            event_id, payload = self._gate.admit(event, now=now)
            ids.append(event_id)
            if payload is not None:
                payloads.append(payload)
        self._delivery.put(payloads)
        return ids

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Whether Redis has acknowledged all events given before, waiting for it. False leaves them where they are."""
        return self._delivery.flush(timeout_s)

    def flush_outbox(self, timeout_s: float = 5.0) -> bool:
        """Whether all events given before are on this machine's disk or at Redis, waiting for it.

        From then on they survive a crash of the player and of its machine.

        Raises:
            OutboxError: the client has no outbox.
        """
        return self._delivery.flush_outbox(timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Flush and stop. What is in the outbox stays there for the next client; what is only in memory is dropped."""
        if not self._closed:
            self._closed = True
            processes.forget(self)
            self._delivery.close(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- fork: a child begins with nothing to send; what its parent was given, its parent sends ----------

    def before_fork(self) -> None:
        if self._outbox is not None:
            self._outbox.before_fork()

    def after_fork_in_parent(self) -> None:
        if self._outbox is not None:
            self._outbox.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        if self._outbox is not None:
            self._outbox.after_fork_in_child()
        self._begin()
