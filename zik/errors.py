"""The errors that a client raises, or passes to `on_error`."""

from worker.errors import (
    ClientClosedError,
    EventDroppedError,
    InvalidEventError,
    NotDurableError,
    OperatorError,
    OutboxError,
    Reason,
    RejectedError,
    RetryableError,
    SettingsError,
    StreamFullError,
    StreamMisusedError,
    StreamUnavailableError,
    ZikError,
)

__all__ = [
    "ClientClosedError",
    "EventDroppedError",
    "InvalidEventError",
    "NotDurableError",
    "OperatorError",
    "OutboxError",
    "Reason",
    "RejectedError",
    "RetryableError",
    "SettingsError",
    "StreamFullError",
    "StreamMisusedError",
    "StreamUnavailableError",
    "ZikError",
]
