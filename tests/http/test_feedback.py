"""Feedback on a song that zik does not know yet is kept, and counts with its time when an event names the song."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, select

from tests.support.http_server import HttpServer
from worker.contract.clock_skew import utc_now
from worker.contract.identity import song_identity
from worker.database.engine import snapshot
from worker.models import Favorite, PendingFeedback
from worker.operations.feedback import keep, publish_pending
from worker.protocols.listenbrainz import feedback_events
from worker.stream.producer import Producer

AT = 1_700_000_000
MBID = "2f3a4b5c-0000-4000-8000-000000000001"
MSID = str(UUID(song_identity("Tool", "Parabola")))


def publish(server: HttpServer) -> int:
    """As the task does."""
    producer = Producer.at(server.settings.redis_url)

    def append(found: Any) -> None:
        producer.append(
            item.payload
            for each in found
            for item in feedback_events(each.score, each.song, user=each.username, now=each.said_at)
        )

    try:
        return publish_pending(server.engine, append)
    finally:
        producer.close()


def play(server: HttpServer) -> None:
    info = {"recording_mbid": MBID}
    listen = {
        "listened_at": AT,
        "track_metadata": {"artist_name": "Tool", "track_name": "Parabola", "additional_info": info},
    }
    assert server.post("/1/submit-listens", {"listen_type": "single", "payload": [listen]}).status_code == 200
    server.drain()


def kept(engine: Engine) -> list[tuple[str, int]]:
    with snapshot(engine) as session:
        rows = session.execute(
            select(PendingFeedback.reference, PendingFeedback.score).order_by(PendingFeedback.reference)
        )
        return [(reference, score) for reference, score in rows]


@pytest.mark.parametrize("named", [{"recording_mbid": MBID}, {"recording_msid": MSID}])
def test_a_love_waits_for_its_song(server: HttpServer, named: dict[str, str]) -> None:
    assert server.post("/1/feedback/recording-feedback", {**named, "score": 1}).status_code == 200
    assert server.waiting() == 0
    assert publish(server) == 0
    assert len(kept(server.engine)) == 1
    play(server)
    assert publish(server) == 1
    assert kept(server.engine) == []
    assert server.favorites() == {("ada", "Tool", "Parabola"): True}


def test_its_time_is_that_of_the_request(server: HttpServer) -> None:
    server.post("/1/feedback/recording-feedback", {"recording_mbid": MBID, "score": 1})
    with snapshot(server.engine) as session:
        said_at = session.scalar(select(PendingFeedback.said_at))
    play(server)
    publish(server)
    server.drain()
    with snapshot(server.engine) as session:
        assert session.scalar(select(Favorite.said_at)) == said_at


def test_the_newest_word_is_kept_in_whatever_order_they_come(server: HttpServer) -> None:
    server.post("/1/feedback/recording-feedback", {"recording_mbid": MBID, "score": 1})
    with snapshot(server.engine) as session:
        said_at = session.scalars(select(PendingFeedback.said_at)).one()
    reference = f"mbid:{MBID}"
    keep(server.engine, "ada", reference, -1, said_at - timedelta(hours=1))
    assert kept(server.engine) == [(reference, 1)]
    keep(server.engine, "ada", reference, 0, said_at + timedelta(hours=1))
    assert kept(server.engine) == [(reference, 0)]


def test_a_word_that_comes_while_the_older_one_is_published_stays(server: HttpServer) -> None:
    server.post("/1/feedback/recording-feedback", {"recording_mbid": MBID, "score": 1})
    play(server)

    def meanwhile(found: Any) -> None:
        (each,) = found
        keep(server.engine, "ada", each.reference, -1, each.said_at + timedelta(seconds=1))

    assert publish_pending(server.engine, meanwhile) == 1
    assert kept(server.engine) == [(f"mbid:{MBID}", -1)]


def test_a_crash_after_publishing_repeats_it_harmlessly(server: HttpServer) -> None:
    server.post("/1/feedback/recording-feedback", {"recording_mbid": MBID, "score": 1})
    play(server)

    def crash(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish_pending(server.engine, crash)
    assert publish(server) == 1
    assert server.favorites() == {("ada", "Tool", "Parabola"): True}


def test_more_than_one_page_is_looked_through(server: HttpServer) -> None:
    for number in range(1_005):
        keep(server.engine, "ada", f"mbid:{UUID(int=number)}", 1, utc_now())
    keep(server.engine, "ada", f"msid:{MSID}", 1, utc_now())
    play(server)
    assert publish(server) == 1
    assert len(kept(server.engine)) == 1_005
