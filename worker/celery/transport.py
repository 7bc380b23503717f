"""Drop malformed entries from Celery's queues in Redis, which would end the worker in kombu's own transport."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any, Final

from kombu.transport import TRANSPORT_ALIASES, redis, virtual

logger = logging.getLogger(__name__)

# What kombu and Celery raise over a malformed message. A lost connection or a refused command raises other errors,
# which Celery handles: it connects again.
_MALFORMED: Final = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


class _Message(virtual.Message):
    """A message that can be requeued: kombu writes these texts to Redis before it checks them."""

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        super().__init__(payload, channel=channel, **options)
        texts = self.delivery_tag, self.delivery_info["exchange"], self.delivery_info["routing_key"]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("delivery_info")


class _QoS(redis.QoS):
    """Returns a message's slot even if Redis refuses its acknowledgement or rejection.

    kombu would count the message as running for ever. Once such messages fill every slot of the pool, the worker stops
    reading from Redis, so it does not even notice that its connection is gone.
    """

    def ack(self, delivery_tag: str) -> None:
        with self._slot_returned(delivery_tag):
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 -- kombu's signature
        with self._slot_returned(delivery_tag):
            super().reject(delivery_tag, requeue=requeue)

    @contextmanager
    def _slot_returned(self, delivery_tag: str) -> Iterator[None]:
        try:
            yield
        except Exception:
            virtual.QoS.ack(self, delivery_tag)
            raise


class _FilteringChannel(virtual.Channel):
    """Mixin for a channel: delivers messages, and drops everything else with a line in the log.

    Dropping loses nothing: zik's messages only say that there is work, and the next ring says it again.
    """

    Message = _Message

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except _MALFORMED as error:
            logger.warning("dropped a malformed Celery message from a queue (%s)", type(error).__name__)
            # For kombu: the queue was empty.
            raise Empty from None

    def _receive_one(self, client: Any) -> Any:
        try:
            return super()._receive_one(client)  # type: ignore[misc]
        except _MALFORMED as error:
            # One broadcast reaches every worker with remote control, so it would end them all.
            logger.warning("dropped a malformed Celery broadcast (%s)", type(error).__name__)
            return False

    def basic_consume(self, queue: str, no_ack: bool, callback: Any, consumer_tag: str | None, **options: Any) -> str:  # noqa: FBT001 -- kombu's signature
        def consume(message: Any) -> None:
            try:
                callback(message)
            except _MALFORMED:
                # Otherwise it counts as running for ever, and blocks a slot of the pool.
                if not message.acknowledged:
                    message.reject()
                raise

        return super().basic_consume(queue, no_ack, consume, consumer_tag, **options)


class Channel(_FilteringChannel, redis.Channel):
    QoS = _QoS


class Transport(redis.Transport):
    Channel = Channel


def use_filtering_transports() -> None:
    """Make every later connection of this process to a broker in Redis drop malformed messages."""
    TRANSPORT_ALIASES.update(redis=f"{__name__}:Transport", rediss=f"{__name__}:Transport")
