from collections.abc import Sequence

from worker.celery.application import app
from worker.celery.names import PUBLISH_FEEDBACK
from worker.database.engine import opened_engine
from worker.operations.feedback import Pending, publish_pending
from worker.outage import OutageRetry
from worker.protocols.listenbrainz import feedback_events
from worker.stream.producer import Producer

_outage = OutageRetry()


@app.task(name=PUBLISH_FEEDBACK)
def publish_feedback() -> int | None:
    """Publish the feedback that waited for its song. Returns how much there was."""
    producer = Producer.at(app.settings.redis_url)

    def publish(found: Sequence[Pending]) -> None:
        items = [
            item
            for each in found
            for item in feedback_events(each.score, each.song, user=each.username, now=each.said_at)
        ]
        producer.append([item.payload for item in items])

    try:
        with opened_engine(app.settings.database_url) as engine:
            return _outage.attempt(lambda: publish_pending(engine, publish), within_s=0)
    finally:
        producer.close()
