"""The options of a client, checked; `Client` documents each."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from worker.client.events import BeforeSend
from worker.client.reporting import OnError


class ClientOptions(TypedDict, total=False):
    """The keyword arguments of `Client` except `token` and `transport`, for code that passes them on."""

    source: str | None
    outbox: str | Path | None
    max_queue: int
    max_outbox: int
    flush_at: int
    flush_interval_s: float
    on_error: OnError | None
    before_send: BeforeSend | None
    durable: bool
    max_waiting: int | None
    disabled: bool
    sync: bool


@dataclass(frozen=True, kw_only=True)
class DeliveryOptions:
    max_queue: int
    flush_at: int
    flush_interval_s: float
    on_error: OnError | None
    durable: bool
    max_waiting: int
    disabled: bool
    sync: bool

    def __post_init__(self) -> None:
        for name in ("max_queue", "flush_at"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in ("flush_interval_s", "max_waiting"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
