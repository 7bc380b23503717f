"""Names of consumers, `node:slot`: what a restarted process finds its entries by, and a probe its host's drains."""

import os
import socket


def slot_consumer(node: str, slot: str) -> str:
    """The consumer of one slot of a worker, as `celery@host:0`. Node and slot outlive a crashed process."""
    return f"{node}:{slot}"


def process_consumer(purpose: str) -> str:
    """A consumer for this process alone, as `host:drain-4711`. Retire it at the end: no successor has its name."""
    return slot_consumer(socket.gethostname(), f"{purpose}-{os.getpid()}")


def host_of(consumer: str) -> str:
    return consumer.rpartition(":")[0].rpartition("@")[2]
