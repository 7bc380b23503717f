"""Drop what is no message from Celery's queues in Redis, where kombu's transport would end the worker over it."""

import logging
from queue import Empty
from typing import Any, Final

from kombu.transport import TRANSPORT_ALIASES, redis, virtual

logger = logging.getLogger(__name__)

# What kombu and Celery raise when they take junk for a message. A lost connection or a Redis that refuses a command
# is none of these, and goes on to Celery, which connects again.
_NONSENSE: Final = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


class _Message(virtual.Message):
    """A message that can be given back: kombu writes these texts to Redis before it looks any closer."""

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        super().__init__(payload, channel=channel, **options)
        texts = self.delivery_tag, self.delivery_info["exchange"], self.delivery_info["routing_key"]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("delivery_info")


class _QoS(redis.QoS):
    """A message whose acknowledgement Redis refuses gives its slot back all the same.

    kombu would count it as in work for ever. Once each slot of the pool is taken by such a one, the worker asks Redis
    for nothing more, so it never learns that its connection is gone, either.
    """

    def ack(self, delivery_tag: str) -> None:
        try:
            super().ack(delivery_tag)
        except Exception:
            virtual.QoS.ack(self, delivery_tag)
            raise


class _Sieve(virtual.Channel):
    """Mixed into a channel, it lets through what is a message, and drops the rest with a line in the log.

    Nothing is lost with it: zik's messages only say that there is work, and the next ring says it again.
    """

    Message = _Message

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except _NONSENSE as error:
            logger.warning("dropped something that is no Celery message (%s) from a queue", type(error).__name__)
            # To kombu: nothing has come.
            raise Empty from None

    def basic_consume(self, queue: str, no_ack: bool, callback: Any, consumer_tag: str | None, **options: Any) -> str:  # noqa: FBT001 -- kombu's signature
        def consume(message: Any) -> None:
            try:
                callback(message)
            except _NONSENSE:
                # Or it would count as in work for ever, and keep a slot of the pool from being filled.
                if not message.acknowledged:
                    message.reject()
                raise

        return super().basic_consume(queue, no_ack, consume, consumer_tag, **options)


class Channel(_Sieve, redis.Channel):
    QoS = _QoS


class Transport(redis.Transport):
    Channel = Channel


class SentinelChannel(_Sieve, redis.SentinelChannel):
    QoS = _QoS


class SentinelTransport(redis.SentinelTransport):
    Channel = SentinelChannel


def use_sieve() -> None:
    """Let every connection that this process makes to a broker in Redis go through the sieve."""
    TRANSPORT_ALIASES.update(
        redis=f"{__name__}:Transport", rediss=f"{__name__}:Transport", sentinel=f"{__name__}:SentinelTransport"
    )
