"""The only package that speaks Redis: who adds to the stream, who consumes it, and who looks at it."""

from worker.stream.backpressure import Backpressure
from worker.stream.consumer import EventStream
from worker.stream.inspection import StreamInspector
from worker.stream.producer import Producer

__all__ = ["Backpressure", "EventStream", "Producer", "StreamInspector"]
