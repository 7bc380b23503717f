"""How a client delivers; what each option means is told by `Client`."""

from dataclasses import dataclass

from worker.client.complaints import OnError


@dataclass(frozen=True, kw_only=True)
class Options:
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
