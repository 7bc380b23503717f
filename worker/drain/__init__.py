"""From the stream to rows: every entry is recorded once, recognised as a duplicate, or kept as a dead letter."""

from worker.drain.drain import ABANDONED_MS, Drain, Tally
from worker.drain.opening import close_drain, open_drain, opened_drain

__all__ = ["ABANDONED_MS", "Drain", "Tally", "close_drain", "open_drain", "opened_drain"]
