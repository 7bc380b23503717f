from worker.celery import app
from worker.keys import TIDY_STREAM
from worker.stream import EventStream

IDLE_S = 3600.0


@app.task(name=TIDY_STREAM)
def tidy_stream() -> int:
    """Retire consumers that have been idle for an hour with nothing pending. Returns how many went."""
    stream = EventStream.at(app.settings.redis_url)
    try:
        idle = [consumer for consumer in stream.consumers() if consumer.idle_s > IDLE_S]
        return sum(stream.retire(consumer.name) for consumer in idle)
    finally:
        stream.close()
